/* A radio modem on a pseudo-terminal, for the script that tries the uplink: `test_modem LOG LINK ANSWER…` makes LINK lead to its terminal, writes each
 * line that it hears to LOG and gives the answers in order, the last one again and again. HANGUP ends it. Without arguments it tries itself. */
#include "tests/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static int open_modem(const char *link)
{
    int            modem = posix_openpt(O_RDWR | O_NOCTTY);
    struct termios line;
    if (modem < 0 || grantpt(modem) != 0 || unlockpt(modem) != 0 || tcgetattr(modem, &line) != 0)
        exit(1);
    cfmakeraw(&line);
    tcsetattr(modem, TCSANOW, &line);
    if (link && symlink(ptsname(modem), link) != 0)
        exit(1);
    return modem;
}

/* One line, or false when the other side is not there. */
static bool hear(int modem, char *line, size_t size)
{
    size_t length = 0;
    while (length + 1 < size) {
        ssize_t got = read(modem, line + length, 1);
        if (got < 0 && errno == EIO)
            return false;
        if (got <= 0)
            exit(1);
        if (line[length++] == '\n')
            break;
    }
    line[length] = 0;
    return true;
}

static void say(int modem, const char *answer)
{
    if (!strcmp(answer, "HANGUP"))
        exit(0);
    if (write(modem, answer, strlen(answer)) < 0 || write(modem, "\r\n", 2) < 0)
        exit(1);
}

int main(int argc, char **argv)
{
    char line[256];
    if (argc < 4) {
        int modem = open_modem(NULL), station = open(ptsname(modem), O_RDWR | O_NOCTTY);
        CHECK(station >= 0 && write(station, "NJ 01\n", 6) == 6 && hear(modem, line, sizeof line) && !strcmp(line, "NJ 01\n"),
              "it hears a line");
        say(modem, "OK");
        CHECK(read(station, line, sizeof line) == 4 && !memcmp(line, "OK\r\n", 4), "and answers");
        return tap_done();
    }
    int modem = open_modem(argv[2]), log = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (log < 0)
        return 1;
    for (int answer = 3;;) {
        if (!hear(modem, line, sizeof line)) {
            usleep(20000);
            continue;
        }
        if (write(log, line, strlen(line)) < 0)
            return 1;
        say(modem, argv[answer]);
        answer += answer + 1 < argc;
    }
}
