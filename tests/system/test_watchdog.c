/* The hardware watchdog and systemd's: who is kicked, how often, and what is said at the end. A file stands for the device, a socket for systemd. */
#include "firmware-host/watchdog.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int64_t now_ms;

static int64_t monotonic(void *self)
{
    (void)self;
    return now_ms;
}

static const struct nj_clock drawn = {.wall_ms = monotonic, .monotonic_ms = monotonic};

static char scratch[] = "/tmp/nightjar-watchdog-XXXXXX";

static const char *under(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", scratch, name);
    return path;
}

static void content(const char *name, char out[256])
{
    FILE  *file = fopen(under(name), "re");
    size_t got  = file ? fread(out, 1, 255, file) : 0;
    out[got]    = 0;
    if (file)
        fclose(file);
}

/* The next message, or "". */
static const char *heard(int ear)
{
    static char text[600];
    ssize_t     got         = recv(ear, text, sizeof text - 1, MSG_DONTWAIT);
    text[got > 0 ? got : 0] = 0;
    return text;
}

static int listen_as(const char *name, bool abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + !abstract);
    if (abstract)
        address.sun_path[0] = 0;
    int ear = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(ear >= 0 && bind(ear, (struct sockaddr *)&address, length) == 0, "a socket called %s", name);
    setenv("NOTIFY_SOCKET", name, 1);
    return ear;
}

static void hardware(void)
{
    struct nj_watchdog *watchdog;
    struct nj_error     error = {{0}};
    char                said[256];
    unsetenv("NOTIFY_SOCKET");
    CHECK(nj_watchdog_open(&drawn, &watchdog, &error) == NJ_OK, "a watchdog opens");
    nj_watchdog_hardware(watchdog, true);
    CHECK(strstr(nj_watchdog_words(watchdog), "this board has none"), "a board without one: %s", nj_watchdog_words(watchdog));
    nj_watchdog_kick(watchdog);
    close(open(under("dev/watchdog"), O_CREAT | O_WRONLY, 0600));
    nj_watchdog_hardware(watchdog, true);
    content("dev/watchdog", said);
    CHECK(!strcmp(said, "k"), "opening kicks: %s", said);
    for (int i = 0; i < 100; i++, now_ms += 10) /* a second of layers */
        nj_watchdog_kick(watchdog);
    content("dev/watchdog", said);
    CHECK(!strcmp(said, "k"), "not at each layer: %s", said);
    for (int i = 0; i < 12; i++, now_ms += 1000)
        nj_watchdog_kick(watchdog);
    content("dev/watchdog", said);
    CHECK(!strcmp(said, "kkkkk"), "but every three seconds: %s", said);
    nj_watchdog_hardware(watchdog, false);
    content("dev/watchdog", said);
    CHECK(!strcmp(said, "kkkkkV"), "it is stopped with the magic letter: %s", said);
    now_ms += 60000;
    nj_watchdog_kick(watchdog);
    nj_watchdog_close(watchdog);
    content("dev/watchdog", said);
    CHECK(!strcmp(said, "kkkkkV"), "and left alone then: %s", said);
}

static void systemd(bool abstract)
{
    struct nj_watchdog *watchdog;
    char                number[32], name[300];
    snprintf(name, sizeof name, abstract ? "@%s" : "%s/notify", scratch);
    int ear = listen_as(name, abstract);
    nj_notify("READY=1\nSTATUS=%d bursts wait", 7);
    CHECK(!strcmp(heard(ear), "READY=1\nSTATUS=7 bursts wait"), "systemd hears that we are ready");
    setenv("WATCHDOG_USEC", "3000000", 1);
    unsetenv("WATCHDOG_PID");
    CHECK(nj_watchdog_open(&drawn, &watchdog, NULL) == NJ_OK && !strcmp(heard(ear), "WATCHDOG=1"), "opening is a sign of life");
    now_ms += 900;
    nj_watchdog_kick(watchdog);
    CHECK(!strcmp(heard(ear), ""), "not too many of them");
    now_ms += 200;
    nj_watchdog_kick(watchdog);
    CHECK(!strcmp(heard(ear), "WATCHDOG=1"), "a third of the interval is enough");
    nj_watchdog_close(watchdog);
    snprintf(number, sizeof number, "%ld", (long)getpid() + 1);
    setenv("WATCHDOG_PID", number, 1);
    CHECK(nj_watchdog_open(&drawn, &watchdog, NULL) == NJ_OK && !strcmp(heard(ear), ""), "another process is watched, not this one");
    nj_watchdog_close(watchdog);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    close(ear);
}

/* The whole program says when it is ready and when it ends, with nothing to do. */
static void program(void)
{
    const char *nightjar = getenv("NIGHTJAR") ? getenv("NIGHTJAR") : "build/nightjar";
    char        name[300], command[1000], all[2000] = "";
    snprintf(name, sizeof name, "%s/program", scratch);
    int ear = listen_as(name, false);
    snprintf(command, sizeof command,
             "%s -q --set database.path=%s/station.db --set ingest.cards=%s/none --set model.path=%s/none.nj run --once", nightjar, scratch,
             scratch, scratch);
    unsetenv("NIGHTJAR_SYSROOT");
    setenv("NIGHTJAR_CONF", under("empty.conf"), 1);
    close(open(under("empty.conf"), O_CREAT | O_WRONLY, 0600));
    int status = system(command);
    for (const char *said; *(said = heard(ear)) && strlen(all) + strlen(said) + 2 < sizeof all;)
        strcat(strcat(all, said), "|");
    CHECK(status == 0 && strstr(all, "READY=1") == all && strstr(all, "STOPPING=1|"), "run says READY first and STOPPING last: %s", all);
    close(ear);
}

int main(void)
{
    char command[256];
    if (!mkdtemp(scratch))
        return 1;
    mkdir(under("dev"), 0700);
    setenv("NIGHTJAR_SYSROOT", scratch, 1);
    hardware();
    systemd(false);
    systemd(true);
    program();
    snprintf(command, sizeof command, "rm -rf %s", scratch);
    return system(command) ? 1 : tap_done();
}
