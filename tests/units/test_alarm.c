/* The wake alarm in front of a chip that behaves as the kernel's does: busy while an alarm is armed, an armed one can be moved. */
#include "firmware-host/alarm.h"
#include "tests/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int     moves = 1; /* whether this chip's kernel knows += */
static int     bare;      /* how often no alarm was armed between two writes */
static int64_t held;

/* Writes to a file called wakealarm go to the chip; the file shows what it holds. */
ssize_t write(int fd, const void *bytes, size_t size)
{
    char link[64], path[512] = "", text[64] = "", shown[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 10 || strcmp(path + length - 10, "/wakealarm"))
        return (ssize_t)syscall(SYS_write, fd, bytes, size);
    memcpy(text, bytes, size < sizeof text ? size : sizeof text - 1);
    int64_t value = strtoll(text + (text[0] == '+') + (text[1] == '='), NULL, 10);
    if (text[0] == '+' && (!moves || !held)) {
        errno = EINVAL;
        return -1;
    }
    if (text[0] != '+' && value && held) {
        errno = EBUSY;
        return -1;
    }
    held = text[0] == '+' ? held + value : value;
    bare += held == 0;
    snprintf(shown, sizeof shown, "%lld", (long long)held);
    if (ftruncate(fd, 0) != 0 || syscall(SYS_pwrite64, fd, shown, strlen(shown), 0L) < 0)
        return -1;
    return (ssize_t)size;
}

int main(void)
{
    char             root[] = "/tmp/nightjar-alarm-XXXXXX", path[512];
    struct nj_alarm *alarm;
    struct nj_error  error = {{0}};
    int64_t          armed = 0, now = nj_clock_system()->wall_ms(NULL) / 1000;
    if (!mkdtemp(root))
        return 1;
    setenv("NIGHTJAR_SYSROOT", root, 1);
    for (const char *const *folder = (const char *const[]){"/sys", "/sys/class", "/sys/class/rtc", "/sys/class/rtc/rtc0", NULL}; *folder;
         folder++) {
        snprintf(path, sizeof path, "%s%s", root, *folder);
        mkdir(path, 0700);
    }
    snprintf(path, sizeof path, "%s/sys/class/rtc/rtc0/wakealarm", root);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    CHECK(nj_alarm_open("rtc:/sys/class/rtc/rtc0/wakealarm", nj_clock_system(), &alarm, &error) == NJ_OK, "an alarm opens");
    CHECK(nj_alarm_read(alarm, &armed, &error) == NJ_NOT_FOUND, "nothing is armed yet");
    CHECK(nj_alarm_arm(alarm, now + 5000, &armed, &error) == NJ_OK && armed == now + 5000 && held == armed, "it is armed %s", error.text);
    CHECK(nj_alarm_arm(alarm, now + 3000, &armed, &error) == NJ_OK && held == now + 3000, "and moved nearer %s", error.text);
    CHECK(nj_alarm_arm(alarm, now + 9000, &armed, &error) == NJ_OK && held == now + 9000, "and farther %s", error.text);
    CHECK(bare == 0, "at no moment was there no alarm");
    CHECK(nj_alarm_arm(alarm, now - 100, &armed, &error) == NJ_OK && held >= now + 60, "an alarm in the past is one minute ahead");
    moves = 0;
    CHECK(nj_alarm_arm(alarm, now + 7000, &armed, &error) == NJ_OK && held == now + 7000 && bare == 1,
          "a kernel without += has it cleared first");
    CHECK(nj_alarm_arm_second(alarm, now + 8000, &error) == NJ_NOT_FOUND, "one chip, one alarm: %s", error.text);
    nj_alarm_close(alarm);
    snprintf(path, sizeof path, "rm -rf %s", root);
    return system(path) ? 1 : tap_done();
}
