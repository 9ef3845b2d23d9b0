/* inner.c - see inner.h. The assembler copies the file in; a build without one (GLIM_INNER_FILE, CMakeLists.txt) has none. */
#include "cli/inner.h"

#include <stdio.h>
#include <stdlib.h>

#include "format/ckpt.h"

#ifdef GLIM_INNER_FILE
/* Pages of its own: the loader tells the kernel to drop pages of weights that it has rearranged. */
__asm__(".pushsection .rodata\n"
        ".balign 4096\n"
        ".globl glim_inner_begin\n"
        ".hidden glim_inner_begin\n"
        "glim_inner_begin: .incbin \"" GLIM_INNER_FILE "\"\n"
        ".globl glim_inner_end\n"
        ".hidden glim_inner_end\n"
        "glim_inner_end: .byte 0\n"
        ".balign 4096\n"
        ".popsection");
extern const unsigned char glim_inner_begin[] __attribute__((visibility("hidden")));
extern const unsigned char glim_inner_end[] __attribute__((visibility("hidden")));
#endif

void glim_inner_register(void) {
#ifdef GLIM_INNER_FILE
    glim_ckpt_builtin(GLIM_INNER_NAME, glim_inner_begin, (size_t)(glim_inner_end - glim_inner_begin));
#endif
}

static const char *inner(void) {
    const char *other = getenv("GLIM_INNER_MODEL");
    if (other) return *other ? other : NULL;
#ifdef GLIM_INNER_FILE
    return GLIM_INNER_NAME;
#else
    return NULL;
#endif
}

glim_status glim_inner_or(const char **out, const char *given, const char *verb, glim_err *err) {
    *out = given ? given : inner();
    if (*out) {
        if (!given) fprintf(stderr, "no model is named: the program's own small one answers (%s), which knows the service desk's tasks and nothing else\n", *out);
        return GLIM_OK;
    }
    glim_fail(err, GLIM_E_ARG, "%s: no model is named, and this program was built without one inside", verb);
    glim_err_hint(err, "glim %s MODEL; or build it with models/glim-nano.gguf, which recipes/nano/run makes", verb);
    return GLIM_E_ARG;
}
