/* slots.c - DIR/progress.map: token counts that survive the process without a system call.
 *
 *   bytes 0-63   "GLIMPROG", version, number of slots, zeros
 *   then         GLIM_HOLDS_MAX slots of 64 bytes (glim_slot)
 *
 * The pages of a shared mapping belong to the file, so they outlive a kill -9; after a power cut they may be old or
 * new, and the larger of them and the database counts. The file is allocated whole: a full disk shows when it is
 * made and not as a fault when it is written. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "store/ledger_internal.h"

typedef struct slot_header {
    char magic[8];
    uint32_t version, n_slots;
    uint64_t unused[6];
} slot_header;

enum { MAP_BYTES = (int)sizeof(slot_header) + GLIM_HOLDS_MAX * (int)sizeof(glim_slot) };
_Static_assert(sizeof(slot_header) == 64 && sizeof(glim_slot) == 64, "one cache line each");

glim_status glim_slots_open(glim_slots *s, const char *dir, glim_err *err) {
    *s = (glim_slots){0};
    char *path = glim_path_join(dir, "progress.map");
    glim_status rc = GLIM_OK;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), e = 0;
    struct stat st;
    slot_header h = {.magic = "GLIMPROG", .version = 1, .n_slots = GLIM_HOLDS_MAX}, had;
    if (fd < 0 || fstat(fd, &st) != 0) e = errno;
    if (!e && (st.st_size != MAP_BYTES || pread(fd, &had, sizeof had, 0) != (ssize_t)sizeof had || memcmp(&had, &h, sizeof h) != 0))
        if (ftruncate(fd, 0) != 0 || (e = posix_fallocate(fd, 0, MAP_BYTES)) != 0 || pwrite(fd, &h, sizeof h, 0) != (ssize_t)sizeof h)
            e = e ? e : errno;
    if (!e && (s->map = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED) {
        e = errno;
        s->map = NULL;
    }
    if (fd >= 0) close(fd);
    if (e) rc = glim_fail_errno(err, GLIM_E_IO, e, "could not make \"%s\" (%d bytes)", path, MAP_BYTES);
    else {
        s->slot = (glim_slot *)((char *)s->map + sizeof h);
        s->free = glim_xcalloc(GLIM_HOLDS_MAX, sizeof *s->free);
        for (int i = GLIM_HOLDS_MAX; i > 0; i--) s->free[s->n_free++] = (uint16_t)(i - 1);
    }
    free(path);
    return rc;
}

void glim_slots_close(glim_slots *s) {
    if (s->map) munmap(s->map, MAP_BYTES);
    free(s->free);
    *s = (glim_slots){0};
}
