#include "firmware-host/gpio.h"
#include "base/file.h"
#include "firmware-host/gpio_line.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHIP_SIZE 128

const char *const nj_line_names[NJ_LINES] = {"wake", "lamp", "camera", "button"};

struct line {
    bool                 named;
    char                 chip[CHIP_SIZE];
    unsigned             offset;
    bool                 active_low;
    struct nj_gpio_line *taken;
};

struct nj_lines {
    bool        files; /* below NIGHTJAR_SYSROOT */
    struct line line[NJ_LINES];
};

/* ---- the setting ---- */

/* `CHIP:LINE`, perhaps with a `!` in front. */
static bool read_place(const char *text, size_t length, struct line *out)
{
    out->active_low = length && *text == '!';
    text += out->active_low;
    length -= out->active_low;
    const char *colon = memrchr(text, ':', length);
    if (!colon || colon == text || (size_t)(colon - text) >= sizeof out->chip || colon + 1 == text + length || text + length - colon > 6)
        return false;
    unsigned offset = 0;
    for (const char *digit = colon + 1; digit < text + length; digit++) {
        if (*digit < '0' || *digit > '9')
            return false;
        offset = offset * 10 + (unsigned)(*digit - '0');
    }
    memcpy(out->chip, text, (size_t)(colon - text));
    out->chip[colon - text] = 0;
    out->offset             = offset;
    out->named              = true;
    return strstr(out->chip, "..") == NULL;
}

static bool read_item(const char *text, size_t length, struct nj_lines *lines)
{
    enum nj_line which = NJ_LINE_WAKE;
    const char  *equal = memchr(text, '=', length);
    if (equal) {
        for (which = 0; which < NJ_LINES; which++)
            if (strlen(nj_line_names[which]) == (size_t)(equal - text) && !memcmp(nj_line_names[which], text, (size_t)(equal - text)))
                break;
        length -= (size_t)(equal + 1 - text);
        text = equal + 1;
    }
    return which < NJ_LINES && !lines->line[which].named && read_place(text, length, &lines->line[which]);
}

nj_status nj_lines_open(const char *setting, struct nj_lines **out, struct nj_error *error)
{
    *out                   = NULL;
    struct nj_lines *lines = calloc(1, sizeof *lines);
    if (!lines)
        return nj_fail(error, "no memory for GPIO lines");
    const char *root = getenv("NIGHTJAR_SYSROOT");
    lines->files     = root && *root;
    for (const char *at = setting; *at;) {
        size_t skip = strspn(at, " \t,"), length = strcspn(at + skip, " \t,");
        if (length && !read_item(at + skip, length, lines)) {
            nj_status status = nj_fail(error,
                                       "power.wake_gpio: %.*s: CHIP:LINE, lamp=CHIP:LINE, camera=CHIP:LINE or button=CHIP:LINE is "
                                       "expected, each once, such as pinctrl-rp1:17",
                                       (int)(length < 200 ? length : 200), at + skip);
            free(lines);
            return status;
        }
        at += skip + length;
    }
    *out = lines;
    return NJ_OK;
}

void nj_lines_close(struct nj_lines *lines)
{
    if (!lines)
        return;
    for (int i = 0; i < NJ_LINES; i++)
        nj_gpio_release(lines->line[i].taken);
    free(lines);
}

bool nj_lines_has(const struct nj_lines *lines, enum nj_line line)
{
    return lines->line[line].named;
}

/* ---- files instead of lines ---- */

static nj_status open_file(const struct line *line, int flags, int *fd, struct nj_error *error)
{
    char name[CHIP_SIZE + 64], path[1400];
    snprintf(name, sizeof name, "/dev/gpio/%s/%u", line->chip, line->offset);
    if (!nj_sysroot_path(path, sizeof path, name))
        return nj_fail(error, "%s: the path is too long", name);
    *fd = open(path, flags | O_CLOEXEC);
    return *fd >= 0 ? NJ_OK : nj_fail_as(errno == ENOENT ? NJ_NOT_FOUND : NJ_ERROR, error, "%s: %s", path, strerror(errno));
}

static nj_status set_file(const struct line *line, bool on, struct nj_error *error)
{
    int fd;
    NJ_TRY(open_file(line, O_WRONLY | O_TRUNC, &fd, error));
    ssize_t put = write(fd, on != line->active_low ? "1\n" : "0\n", 2);
    close(fd);
    return put == 2 ? NJ_OK : nj_fail(error, "%s:%u: the line cannot be written", line->chip, line->offset);
}

static nj_status get_file(const struct line *line, bool *on, struct nj_error *error)
{
    int  fd;
    char level = 0;
    NJ_TRY(open_file(line, O_RDONLY, &fd, error));
    ssize_t got = read(fd, &level, 1);
    close(fd);
    *on = (got == 1 && level == '1') != line->active_low;
    return got == 1 ? NJ_OK : nj_fail(error, "%s:%u: the line cannot be read", line->chip, line->offset);
}

/* ---- lines ---- */

static struct nj_gpio_request request_of(const struct line *line, bool output, bool on)
{
    return (struct nj_gpio_request){.chip = line->chip, .offset = line->offset, .output = output, .on = on, .active_low = line->active_low};
}

static nj_status name_it(nj_status status, enum nj_line which, struct nj_error *error)
{
    if (status != NJ_OK)
        nj_error_prefix(error, "power.wake_gpio: %s line", nj_line_names[which]);
    return status == NJ_NOT_FOUND ? NJ_ERROR : status;
}

nj_status nj_lines_set(struct nj_lines *lines, enum nj_line which, bool on, struct nj_error *error)
{
    struct line *line = &lines->line[which];
    if (!line->named)
        return NJ_OK;
    if (lines->files)
        return name_it(set_file(line, on, error), which, error);
    if (line->taken)
        return name_it(nj_gpio_set(line->taken, on, error), which, error);
    struct nj_gpio_request request = request_of(line, true, on);
    return name_it(nj_gpio_take(&request, &line->taken, error), which, error);
}

nj_status nj_lines_get(struct nj_lines *lines, enum nj_line which, bool *on, struct nj_error *error)
{
    struct line *line = &lines->line[which];
    *on               = false;
    if (!line->named)
        return NJ_OK;
    if (lines->files)
        return name_it(get_file(line, on, error), which, error);
    struct nj_gpio_request request = request_of(line, false, false);
    nj_status              status  = line->taken ? NJ_OK : nj_gpio_take(&request, &line->taken, error);
    return name_it(status == NJ_OK ? nj_gpio_get(line->taken, on, error) : status, which, error);
}

/* A root that shows chips but draws no lines: that they are there is all that can be told. */
static bool only_chips(void)
{
    char   lines[1200], chips[1200];
    glob_t found;
    if (!nj_sysroot_path(lines, sizeof lines, "/dev/gpio") || !nj_sysroot_path(chips, sizeof chips, "/dev/gpiochip*") ||
        access(lines, F_OK) == 0 || glob(chips, 0, NULL, &found) != 0)
        return false;
    globfree(&found);
    return true;
}

nj_status nj_lines_probe(struct nj_lines *lines, enum nj_line which, struct nj_error *error)
{
    struct line *line = &lines->line[which];
    int          fd;
    if (!line->named || (lines->files && only_chips()))
        return NJ_OK;
    if (lines->files) {
        nj_status status = open_file(line, which == NJ_LINE_BUTTON ? O_RDONLY : O_WRONLY, &fd, error);
        if (status == NJ_OK)
            close(fd);
        return name_it(status, which, error);
    }
    struct nj_gpio_request request = request_of(line, which != NJ_LINE_BUTTON, false);
    return name_it(nj_gpio_find(&request, error), which, error);
}

const char *nj_lines_backend(void)
{
    const char *root = getenv("NIGHTJAR_SYSROOT");
    return root && *root ? "files below NIGHTJAR_SYSROOT" : nj_gpio_version();
}
