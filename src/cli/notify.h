/* notify.h - telling the service manager how the server is (sd_notify's protocol, without its library). */
#ifndef GLIM_CLI_NOTIFY_H
#define GLIM_CLI_NOTIFY_H

/* "READY=1" and the like, to the socket named by $NOTIFY_SOCKET. Nothing happens where there is none. */
void glim_cli_notify(const char *state);

#endif
