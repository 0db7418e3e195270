#include "worker/supervisor.h"

static const struct daemon_spec spec = {
    .name = "ganger-worker",
    .section = "worker",
    .summary =
        "Runs agents: claims a task for each free slot, starts one process for it, and answers for that process.",
    .keys = worker_keys,
    .setup = supervisor_setup,
    .reload = supervisor_reload,
    .stop = supervisor_stop,
    .done = supervisor_done,
};

int main(int argc, char **argv)
{
    return daemon_main(&spec, argc, argv);
}
