/* The agent of the tests: does what its first argument says.
 *
 *     exit STATUS              raise SIGNAL              sleep SECONDS            ignore-term SECONDS
 *     daemons COUNT            COUNT daemons that left by double fork and setsid, then wait
 *     strays COUNT             the same, then exit 0
 *     bomb COUNT               processes that fork as fast as they can until COUNT were made, and then wait
 *     comet SECONDS            a process that forks a child and exits, again and again: never long the same pid
 *     grandchildren FILE       a tree of three with one that ignores SIGTERM; "ready" to FILE
 *     flood BYTES              BYTES of output
 *     argument TEXT            TEXT to stdout          stdin    stdin to stdout         file    $GANGER_PAYLOAD to
 * stdout environment              the environment, one per line result TEXT              TEXT into $GANGER_RESULT
 *     interval FILE SECONDS    "start TYPE" and "end TYPE" lines around a wait
 *     once FILE STATUS         creates FILE and exits STATUS; exits 0 if it was there
 */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int number(const char *text)
{
    return (int)strtol(text, NULL, 10);
}

static void wait_seconds(double seconds)
{
    struct timespec left = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) != 0)
        continue;
}

/* Whatever goes wrong in a test, nothing of it lives longer than this. */
static void wait_for_the_end(void)
{
    wait_seconds(60);
    _exit(0);
}

static void make_daemon(void)
{
    pid_t first = fork();
    if (first == 0) {
        (void)setsid();
        if (fork() == 0) {
            (void)signal(SIGTERM, SIG_IGN);
            wait_for_the_end();
        }
        _exit(0);
    }
    (void)waitpid(first, NULL, 0);
}

static int do_exit(char **arguments)
{
    return number(arguments[0]);
}

static int do_raise(char **arguments)
{
    (void)raise(number(arguments[0]));
    return 1;
}

static int do_sleep(char **arguments)
{
    wait_seconds(strtod(arguments[0], NULL));
    return 0;
}

static int do_ignore_term(char **arguments)
{
    (void)signal(SIGTERM, SIG_IGN);
    (void)!write(STDOUT_FILENO, "ready\n", 6);
    return do_sleep(arguments);
}

static int do_strays(char **arguments)
{
    for (int i = number(arguments[0]); i > 0; i--)
        make_daemon();
    (void)!write(STDOUT_FILENO, "ready\n", 6);
    return 0;
}

static int do_daemons(char **arguments)
{
    (void)do_strays(arguments);
    (void)signal(SIGTERM, SIG_IGN);
    wait_for_the_end();
    return 0;
}

static atomic_int *shared_counter(void)
{
    return mmap(NULL, sizeof(atomic_int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static int do_bomb(char **arguments)
{
    int limit = number(arguments[0]);
    atomic_int *made = shared_counter();

    (void)signal(SIGTERM, SIG_IGN);
    (void)!write(STDOUT_FILENO, "ready\n", 6);
    while (atomic_fetch_add(made, 1) < limit)
        if (fork() == 0)
            (void)setsid();
    wait_for_the_end();
    return 0;
}

static int do_comet(char **arguments)
{
    time_t end = time(NULL) + number(arguments[0]);

    (void)!write(STDOUT_FILENO, "ready\n", 6);
    while (time(NULL) < end)
        if (fork() != 0)
            _exit(0);
    (void)!write(STDOUT_FILENO, "over\n", 5);
    return 0;
}

static void touch(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)!write(fd, "ready\n", 6);
    (void)close(fd);
}

static int do_grandchildren(char **arguments)
{
    if (fork() == 0) {
        (void)setsid();
        if (fork() == 0) {
            (void)signal(SIGTERM, SIG_IGN);
            touch(arguments[0]);
        }
        wait_for_the_end();
    }
    wait_for_the_end();
    return 0;
}

static int do_flood(char **arguments)
{
    static char line[4096];
    long left = strtol(arguments[0], NULL, 10);

    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    while (left > 0) {
        size_t size = left < (long)sizeof line ? (size_t)left : sizeof line;
        ssize_t written = write(STDOUT_FILENO, line, size);
        if (written <= 0)
            return 1;
        left -= written;
    }
    return 0;
}

static int copy(int fd)
{
    static char text[65536];
    ssize_t size = 0;

    while ((size = read(fd, text, sizeof text)) > 0)
        if (write(STDOUT_FILENO, text, (size_t)size) != size)
            return 1;
    return size == 0 ? 0 : 1;
}

static int do_argument(char **arguments)
{
    size_t size = strlen(arguments[0]);
    return write(STDOUT_FILENO, arguments[0], size) == (ssize_t)size ? 0 : 1;
}

static int do_stdin(char **arguments)
{
    (void)arguments;
    return copy(STDIN_FILENO);
}

static int do_file(char **arguments)
{
    (void)arguments;
    const char *path = getenv("GANGER_PAYLOAD");
    return path != NULL ? copy(open(path, O_RDONLY)) : 1;
}

static int do_environment(char **arguments)
{
    (void)arguments;
    for (char **at = environ; *at != NULL; at++)
        (void)printf("%s\n", *at);
    return 0;
}

static int do_result(char **arguments)
{
    const char *path = getenv("GANGER_RESULT");
    FILE *file = path != NULL ? fopen(path, "we") : NULL;
    if (file == NULL)
        return 1;
    (void)fputs(arguments[0], file);
    return fclose(file);
}

static void add_line(const char *path, const char *word)
{
    char line[128];
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int length = snprintf(line, sizeof line, "%s %s\n", word, getenv("GANGER_AGENT_ID"));
    (void)!write(fd, line, (size_t)length);
    (void)close(fd);
}

static int do_interval(char **arguments)
{
    add_line(arguments[0], "start");
    wait_seconds(strtod(arguments[1], NULL));
    add_line(arguments[0], "end");
    return 0;
}

static int do_once(char **arguments)
{
    if (access(arguments[0], F_OK) == 0)
        return 0;
    touch(arguments[0]);
    return number(arguments[1]);
}

static const struct deed {
    const char *name;
    int arguments;
    int (*run)(char **arguments);
} deeds[] = {
    {"exit", 1, do_exit},
    {"raise", 1, do_raise},
    {"sleep", 1, do_sleep},
    {"ignore-term", 1, do_ignore_term},
    {"daemons", 1, do_daemons},
    {"strays", 1, do_strays},
    {"bomb", 1, do_bomb},
    {"comet", 1, do_comet},
    {"grandchildren", 1, do_grandchildren},
    {"flood", 1, do_flood},
    {"argument", 1, do_argument},
    {"stdin", 0, do_stdin},
    {"file", 0, do_file},
    {"environment", 0, do_environment},
    {"result", 1, do_result},
    {"interval", 2, do_interval},
    {"once", 2, do_once},
};

int main(int count, char **arguments)
{
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++)
        if (count > 1 && strcmp(arguments[1], deeds[i].name) == 0 && count >= 2 + deeds[i].arguments)
            return deeds[i].run(arguments + 2);
    return 64;
}
