#include "cli/self.h"

#include "common/base/check.h"
#include "common/base/id.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOST_SIZE 65

/* What is written in the name of a run is refused once the run is over. */
static void take_run(struct self *self)
{
    const char *task = getenv("GANGER_TASK_ID");
    const char *fence = getenv("GANGER_FENCE");
    const char *agent = getenv("GANGER_AGENT_ID");
    uint64_t last = 0;

    if (task == NULL || fence == NULL || agent == NULL)
        return;
    if (id_parse(task, &self->writer.task_id, &last, NULL) != STATUS_OK || self->writer.task_id != last)
        self->writer.task_id = 0;
    if (self->writer.task_id != 0)
        self->writer.fence = strtoull(fence, NULL, 10);
    self->name = duplicate_text(agent);
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

/* "alice@build7:4711", with what a holder's name cannot have left out. */
static void take_user(struct self *self)
{
    const char *user = getenv("USER");
    char host[HOST_SIZE] = "localhost";
    char name[32];
    size_t size = 0;

    if (user == NULL || user[0] == '\0')
        user = "somebody";
    for (; *user != '\0' && size < sizeof name - 1; user++)
        if (is_plain(*user))
            name[size++] = *user;
    name[size] = '\0';
    (void)gethostname(host, sizeof host - 1);
    self->name = format_text("%s@%s:%ld", name, host, (long)getpid());
}

void self_init(struct self *self)
{
    *self = (struct self){.writer = GANGER__V1__WRITER__INIT};
    take_run(self);
    if (self->name == NULL)
        take_user(self);
    self->writer.agent_id = self->name;
}

void self_done(struct self *self)
{
    free(self->name);
    self->name = NULL;
}
