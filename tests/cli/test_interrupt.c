/* A signal is seen once, also when it comes while somebody asks for it: a lost one is a server that
 * does not stop. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "test.h"

enum { ROUNDS = 20000 };
/* On a busy machine every round waits for the other thread's turn. */
static const double ENOUGH_S = 2;
static _Atomic int seen, lost, done;

static void *raise_all(void *ctx) {
    (void)ctx;
    double enough = glim_now_s() + ENOUGH_S;
    for (int i = 1; i <= ROUNDS && !atomic_load(&lost) && glim_now_s() < enough; i++) {
        kill(getpid(), SIGINT);
        for (double end = glim_now_s() + 5; atomic_load(&seen) < i && !atomic_load(&lost);)
            if (glim_now_s() > end) atomic_store(&lost, i);
    }
    atomic_store(&done, 1);
    return NULL;
}

TEST(no_signal_is_lost_between_two_questions) {
    pthread_t t;
    glim_cli_catch_interrupt();
    CHECK(pthread_create(&t, NULL, raise_all, NULL) == 0);
    while (!atomic_load(&done)) atomic_fetch_add(&seen, glim_cli_interrupted());
    pthread_join(t, NULL);
    CHECK_MSG(!atomic_load(&lost), "signal %d was never seen", atomic_load(&lost));
    CHECK(!glim_cli_interrupted() && !glim_cli_interrupt_pending());
}
