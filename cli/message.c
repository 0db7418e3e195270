#include "cli/message.h"

#include "cli/commands.h"
#include "common/base/check.h"

#include <string.h>

static enum exit_status run(struct cli *cli, int count, char **words);

static const struct command *const members[] = {
    &command_message_send, &command_message_receive, &command_message_ack, &command_message_list, NULL,
};

const struct command command_message = {
    .name = "message",
    .usage = "COMMAND",
    .summary = "say something to an agent, to all of a kind, or to everyone",
    .examples = "gangerctl message send build7/claude1 \"which branch?\"\n"
                "gangerctl message send everyone \"deploys stop at noon\"\n"
                "gangerctl message receive --wait 5m\n",
    .members = members,
    .run = run,
};

static enum exit_status run(struct cli *cli, int count, char **words)
{
    return command_dispatch(cli, &command_message, count, words);
}

static bool has_kind(const char *text)
{
    static const char *const kinds[] = {"agents/", "tasks/", "types/"};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strncmp(text, kinds[i], strlen(kinds[i])) == 0)
            return true;
    return strcmp(text, "everyone") == 0;
}

enum exit_status message_mailbox(const char *argument, char **ret_mailbox)
{
    const char *agent = argument != NULL ? argument : getenv("GANGER_AGENT_ID");

    if (agent == NULL || agent[0] == '\0')
        return problem(EXIT_USAGE, "outside of an agent there is none of one's own",
                       "name one: agents/AGENT, tasks/TASK, types/AGENT_TYPE or everyone", "a mailbox is needed");
    *ret_mailbox = has_kind(agent) ? duplicate_text(agent) : format_text("agents/%s", agent);
    return EXIT_DONE;
}
