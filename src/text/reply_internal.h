/* reply_internal.h - the parser as a machine over one growing text.
 *
 * Each state looks at raw from `pos` on and either settles something (returns true and has moved pos
 * or the state) or needs more text (returns false). A step may depend only on bytes that are there and
 * on `ended`, and may only do what no continuation could make wrong: that is why pieces do not matter.
 *
 *   START -> REASON_START -> REASON -> REASON_OVER -> CONTENT -> ...          reply.c
 *   CONTENT -> XML_NAME -> XML_BLOCK <-> XML_KEY -> XML_GAP -> XML_VALUE      reply_glm45.c
 *                 ^___________|                       |  XML_MAYBE
 *   CONTENT -> JSON_CALL                              ChatML                   reply_json.c
 *   GLM4_HEAD -> GLM4_CALL or CONTENT -> GLM4_NEXT    GLM-4                    reply_json.c
 *   AFTER: between and after calls; DONE */
#ifndef GLIM_TEXT_REPLY_INTERNAL_H
#define GLIM_TEXT_REPLY_INTERNAL_H

#include "text/chat_internal.h"
#include "text/reply.h"

enum {
    ST_START,
    ST_REASON_START,
    ST_REASON,
    ST_REASON_OVER,
    ST_CONTENT,
    ST_AFTER,
    ST_XML_NAME,
    ST_XML_BLOCK,
    ST_XML_KEY,
    ST_XML_GAP,
    ST_XML_VALUE,
    ST_XML_MAYBE,
    ST_JSON_CALL,
    ST_GLM4_HEAD,
    ST_GLM4_CALL,
    ST_GLM4_NEXT,
    ST_DONE
};

#define NOWHERE ((size_t)-1)

/* Which syntax calls have, given the kind and whether there are tools. */
bool glim_reply_is_glm4(const glim_reply *r);
bool glim_reply_is_xml(const glim_reply *r);
bool glim_reply_is_json(const glim_reply *r);

/* The first place at or after max(pos, scan) where one of the tags stands, its index in *which; NOWHERE
 * if none does, and scan is then the place from which more text could make one (raw.len if nothing can).
 * tags ends with NULL; each begins with '<'. `tails` (or NULL) are texts held back only while they are
 * the very end. */
size_t glim_reply_seek(glim_reply *r, const char *const *tags, const char *const *tails, int *which);
/* Enters a state at a place. */
bool glim_reply_go(glim_reply *r, int state, size_t pos);
/* End of raw[pos, to) without trailing white space; unless the text is known to end there (open_end
 * false), also without an unfinished character. */
size_t glim_reply_trim(glim_reply *r, size_t to, bool open_end);
/* Whether raw at `at` begins with tag: 1 yes, 0 no, -1 more text decides. */
int glim_reply_at(const glim_reply *r, size_t at, const char *tag);

/* Whether name is a tool's, or nobody asked. */
bool glim_reply_may_call(const glim_reply *r, glim_chat_str name);
/* What looked like a call is none: it is content, and reading goes on at `next`. */
bool glim_reply_no_call(glim_reply *r, size_t next);
/* Where reading goes on after a call. */
bool glim_reply_called(glim_reply *r, int state, size_t next);
/* Starts a call; false when memory is refused (reported through content.failed). */
bool glim_reply_open_call(glim_reply *r, glim_chat_str name);
glim_reply_call *glim_reply_last_call(glim_reply *r);
/* A whole call at once. */
bool glim_reply_add_call(glim_reply *r, glim_chat_str name, const json_t *args);
/* Parses text that may be JSON; NULL if it is not. Running out of memory is reported through
 * content.failed. */
json_t *glim_reply_json(glim_reply *r, glim_chat_str text);

bool glim_reply_step_xml(glim_reply *r);
bool glim_reply_step_json(glim_reply *r);

#endif
