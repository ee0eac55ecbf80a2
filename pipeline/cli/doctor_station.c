/* doctor_station.c: what can be looked at on any computer: settings, clock, disk, database, cards, the picture process, model, uplink. */
#include "base/file.h"
#include "pipeline/cli/doctor.h"
#include "pipeline/cli/open_database.h"
#include "pipeline/cli/table.h"
#include "pipeline/model/weights.h"
#include "pipeline/picture/worker.h"
#include "pipeline/uplink/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define YEAR_OF_SANE_CLOCKS 2024

void nj_doctor_settings(struct nj_doctor *doctor, struct nj_cli *cli)
{
    const struct nj_conf *conf = &cli->conf;
    if (*cli->conf_path)
        nj_doctor_say(doctor, NJ_WELL, "settings", "%s", cli->conf_path);
    else
        nj_doctor_say(doctor, NJ_AILING, "settings",
                      "no settings file, defaults hold; `nightjar conf > /etc/nightjar/nightjar.conf` writes one to change");
    if (isnan(conf->station.latitude) || isnan(conf->station.longitude))
        nj_doctor_say(doctor, NJ_AILING, "place",
                      "[station] latitude and longitude are not set: the sun is guessed, exports have no place");
    if (conf->power.floor_percent > conf->power.reserve_percent)
        nj_doctor_say(doctor, NJ_AILING, "settings",
                      "[power] floor_percent %.0f is above reserve_percent %.0f: the reserve is never reached", conf->power.floor_percent,
                      conf->power.reserve_percent);
}

void nj_doctor_clock(struct nj_doctor *doctor, struct nj_cli *cli)
{
    const struct nj_clock *clock = nj_clock_system();
    char                   now[NJ_TIME_TEXT], place[256];
    (void)cli;
    nj_time_utc(clock->wall_ms(clock->self), now);
    if (strtol(now, NULL, 10) < YEAR_OF_SANE_CLOCKS)
        nj_doctor_say(doctor, NJ_BROKEN, "clock", "%s: it was lost; `timedatectl set-time` sets it, and look at the cell of the clock",
                      now);
    else if (nj_sysroot_path(place, sizeof place, "/sys/class/rtc/rtc0") && access(place, F_OK) != 0)
        nj_doctor_say(doctor, NJ_AILING, "clock",
                      "%s, but there is no clock that runs without power (/sys/class/rtc/rtc0): it is lost at each cut", now);
    else
        nj_doctor_say(doctor, NJ_WELL, "clock", "%s", now);
}

static bool folder_of(const char *path, char *out, size_t size)
{
    if ((size_t)snprintf(out, size, "%s", path) >= size)
        return false;
    char *slash = strrchr(out, '/');
    if (!slash)
        return (size_t)snprintf(out, size, ".") < size;
    slash[slash == out] = 0;
    return true;
}

void nj_doctor_disk(struct nj_doctor *doctor, struct nj_cli *cli)
{
    char           path[NJ_CONF_TEXT + 512], folder[NJ_CONF_TEXT + 512];
    struct statvfs disk;
    if (nj_database_path(cli, path, sizeof path) != NJ_OK || !folder_of(path, folder, sizeof folder))
        return;
    if (statvfs(folder, &disk) != 0) {
        nj_doctor_say(doctor, NJ_AILING, "disk", "%s is not there yet; the first run makes it", folder);
        return;
    }
    int64_t free_mb = (int64_t)((uint64_t)disk.f_bavail * disk.f_frsize >> 20);
    if (disk.f_flag & ST_RDONLY)
        nj_doctor_say(doctor, NJ_BROKEN, "disk", "%s is mounted read-only: `mount -o remount,rw`; if that fails the card is worn out",
                      folder);
    else if (access(folder, W_OK) != 0)
        nj_doctor_say(doctor, NJ_BROKEN, "disk", "%s cannot be written by this user (%s); the station's user is nightjar", folder,
                      strerror(errno));
    else if (free_mb < cli->conf.ingest.min_free_mb)
        nj_doctor_say(doctor, NJ_BROKEN, "disk", "%" PRId64 " MB free at %s, %" PRId64 " must stay free ([ingest] min_free_mb): make room",
                      free_mb, folder, cli->conf.ingest.min_free_mb);
    else if (free_mb < 2 * cli->conf.ingest.min_free_mb)
        nj_doctor_say(doctor, NJ_AILING, "disk", "%" PRId64 " MB free at %s: it will be full soon", free_mb, folder);
    else
        nj_doctor_say(doctor, NJ_WELL, "disk", "%" PRId64 " MB free at %s", free_mb, folder);
}

void nj_doctor_database(struct nj_doctor *doctor, struct nj_cli *cli)
{
    struct nj_db *db;
    char          said[256];
    nj_status     status = nj_database_open(cli, NJ_DB_READ, &db);
    if (status == NJ_NOT_FOUND)
        nj_doctor_say(doctor, NJ_WELL, "database", "none yet; the first `nightjar watch` or `nightjar run` begins it");
    else if (status != NJ_OK)
        nj_doctor_say(doctor, NJ_BROKEN, "database", "%s", cli->error.text);
    else if (nj_db_check(db, said, &cli->error) != NJ_OK)
        nj_doctor_say(doctor, NJ_BROKEN, "database", "%s", cli->error.text);
    else
        nj_doctor_say(doctor, strcmp(said, "ok") ? NJ_BROKEN : NJ_WELL, "database",
                      strcmp(said, "ok") ? "damaged: %s; the next start sets it aside" : "every page is %s", said);
    cli->error.text[0] = 0;
    nj_db_close(db);
}

/* Whether the file system that holds `path` takes no writes: a camera's card should be mounted so. */
static bool read_only(const char *path)
{
    struct statvfs disk;
    return statvfs(path, &disk) == 0 && disk.f_flag & ST_RDONLY;
}

void nj_doctor_cards(struct nj_doctor *doctor, struct nj_cli *cli)
{
    char        pattern[NJ_CONF_TEXT + 512];
    glob_t      found = {0};
    struct stat here, above;
    nj_conf_place(pattern, sizeof pattern, cli->conf.ingest.cards);
    if (glob(pattern, 0, NULL, &found) != 0 || found.gl_pathc == 0) {
        nj_doctor_say(doctor, NJ_AILING, "cards", "no card at %s ([ingest] cards): is it in the reader?", pattern);
        globfree(&found);
        return;
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *card = found.gl_pathv[i];
        char        parent[4096];
        snprintf(parent, sizeof parent, "%s/..", card);
        bool mounted = stat(card, &here) == 0 && stat(parent, &above) == 0 && here.st_dev != above.st_dev;
        if (stat(card, &here) != 0 || !S_ISDIR(here.st_mode) || access(card, R_OK | X_OK) != 0)
            nj_doctor_say(doctor, NJ_BROKEN, "cards", "%s cannot be read by this user", card);
        else if (mounted && !read_only(card))
            nj_doctor_say(doctor, NJ_AILING, "cards",
                          "%s is mounted writable; Nightjar never writes there, and ro,noexec,nosuid,nodev keeps others from it", card);
        else
            nj_doctor_say(doctor, NJ_WELL, "cards", "%s%s", card, mounted ? ", read-only" : ", a plain folder");
    }
    globfree(&found);
}

void nj_doctor_pictures(struct nj_doctor *doctor, struct nj_cli *cli)
{
    struct nj_worker_limits quiet = {.quiet = true};
    struct nj_worker       *worker;
    if (nj_worker_open(&quiet, &worker, &cli->error) != NJ_OK)
        nj_doctor_say(doctor, NJ_BROKEN, "pictures", "%s", cli->error.text);
    else if (!nj_worker_protected(worker))
        nj_doctor_say(doctor, NJ_AILING, "pictures",
                      "this kernel has no system call filter: pictures are read with limits alone (CONFIG_SECCOMP_FILTER)");
    else
        nj_doctor_say(doctor, NJ_WELL, "pictures", "read in a process that can do nothing else");
    cli->error.text[0] = 0;
    nj_worker_close(worker);
}

void nj_doctor_model(struct nj_doctor *doctor, struct nj_cli *cli)
{
    char                      path[NJ_CONF_TEXT + 512];
    struct nj_weights        *weights;
    struct nj_weights_options options = {.adapter = *cli->conf.model.adapter ? cli->conf.model.adapter : NULL};
    nj_conf_place(path, sizeof path, cli->conf.model.path);
    if (access(path, F_OK) != 0)
        nj_doctor_say(doctor, NJ_AILING, "model",
                      "none at %s: pictures are taken in but not read; `nightjar convert SOURCE -o %s` makes one", path, path);
    else if (nj_weights_open(path, &options, &weights, &cli->error) != NJ_OK)
        nj_doctor_say(doctor, NJ_BROKEN, "model", "%s", cli->error.text);
    else {
        if (weights->config.vision.layers)
            nj_doctor_say(doctor, NJ_WELL, "model", "%s opens: %u layers", path, weights->config.text.layers);
        else
            nj_doctor_say(doctor, NJ_AILING, "model", "%s opens, but has no vision tower: it cannot read pictures (a GGUF needs --mmproj)",
                          path);
        nj_weights_close(weights);
    }
    cli->error.text[0] = 0;
}

void nj_doctor_uplink(struct nj_doctor *doctor, struct nj_cli *cli)
{
    const char *kind = cli->conf.uplink.transport;
    char        far[NJ_CONF_TEXT + 512];
    struct stat file;
    if (!strcmp(kind, "none"))
        nj_doctor_say(doctor, NJ_WELL, "uplink", "none is set");
    else if (nj_transport_where(&cli->conf, far, sizeof far, &cli->error) != NJ_OK) {
        nj_doctor_say(doctor, NJ_BROKEN, "uplink", "%s", cli->error.text);
        cli->error.text[0] = 0;
    } else if (!strcmp(kind, "directory") && (stat(far, &file) != 0 || !S_ISDIR(file.st_mode) || access(far, W_OK) != 0))
        nj_doctor_say(doctor, NJ_BROKEN, "uplink", "%s is no folder that can be written", far);
    else if (!strcmp(kind, "serial") && access(far, R_OK | W_OK) != 0)
        nj_doctor_say(doctor, NJ_BROKEN, "uplink", "%s: %s (is the modem plugged in, the user in the group dialout?)", far,
                      strerror(errno));
    else
        nj_doctor_say(doctor, NJ_WELL, "uplink", "%s to %s (tried only by `nightjar uplink`)", kind, far);
}
