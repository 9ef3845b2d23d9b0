/* refuse.h - what libmicrohttpd refuses by itself, said in our words.
 *
 * A first line, a header, a length or a chunk that cannot be read, and a head larger than its buffer, never reach a
 * callback: the library answers with a page in HTML, and in 0.9.75 writes the head of some of them twice. It queues that
 * page through its own exported function, which this program defines anew (the dynamic linker takes the program's
 * definition first): called by the library, it writes OpenAI's error object with the library's status itself, plainly or
 * over TLS, and has the connection closed. Our own replies go to the library's function by glim_mhd_queue.
 * Surprise   a libmicrohttpd that calls itself without the linker would go on with its pages: conformance.guard notices. */
#ifndef GLIM_SERVE_REFUSE_H
#define GLIM_SERVE_REFUSE_H

#include <microhttpd.h>

struct glim_conn;

/* MHD_queue_response of the library. Any thread. */
enum MHD_Result glim_mhd_queue(struct MHD_Connection *conn, unsigned status, struct MHD_Response *r);

/* The client's time to send a request is over. If a part of one came, it hears 408 before it is cut off; who sent nothing since the
 * last reply hears nothing (an answer nobody asked for could be taken for that of the next request). The loop's. */
void glim_refuse_late(struct glim_conn *k);
/* What the socket has received so far; 0 where that cannot be told. */
uint64_t glim_bytes_came(int fd);

#endif
