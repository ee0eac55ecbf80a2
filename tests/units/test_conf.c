/* The settings file: what is taken, what is refused, and in which words. */
#include "base/conf.h"
#include "base/file.h"
#include "tests/tap.h"

#include <math.h>
#include <unistd.h>

static char            path[] = "/tmp/nj-conf-XXXXXX";
static struct nj_conf  conf;
static struct nj_error error;

static nj_status read_bytes(const char *text, size_t size)
{
    error.text[0] = 0;
    nj_conf_defaults(&conf);
    if (nj_file_write_atomic(path, text, size, &error) != NJ_OK)
        exit(1);
    return nj_conf_read(&conf, path, &error);
}

static nj_status read_text(const char *text)
{
    return read_bytes(text, strlen(text));
}

/* The sentence, without the name of the file in front. */
static void refused(const char *text, const char *sentence)
{
    nj_status   status = read_text(text);
    size_t      length = strlen(path);
    const char *said   = strncmp(error.text, path, length) ? error.text : error.text + length;
    if (!CHECK(status == NJ_ERROR && !strcmp(said, sentence), "refused: %s", sentence))
        printf("#   said: %s\n", said);
}

static void check_values(void)
{
    CHECK(read_text("") == NJ_OK && conf.ingest.burst_gap_seconds == 5 && isnan(conf.station.latitude),
          "an empty file leaves the defaults");
    CHECK(read_text("[ingest]\nburst_gap_seconds = 7.5\n[station]\nname=Camp #4\nsite =  B02  \nlatitude = -2.5 ; south\n") == NJ_OK,
          "keys in sections %s", error.text);
    CHECK(conf.ingest.burst_gap_seconds == 7.5 && !strcmp(conf.station.name, "Camp #4") && !strcmp(conf.station.site, "B02") &&
              conf.station.latitude == -2.5,
          "their values, without white space and remarks");
    CHECK(read_text("\xEF\xBB\xBF# from Windows\r\n\r\n[station]\r\nname = Kopje; north\r\n") == NJ_OK &&
              !strcmp(conf.station.name, "Kopje; north"),
          "a file from Windows; a semicolon inside a word stays %s", error.text);
    CHECK(read_text("[uplink]\nsend_people = Yes\n[model]\nsoft_tokens = 560\n") == NJ_OK && conf.uplink.send_people &&
              conf.model.soft_tokens == 560,
          "yes, and one of a list");
    CHECK(read_text("[ingest]\nsettle_seconds = 1\nsettle_seconds = 2") == NJ_OK && conf.ingest.settle_seconds == 2,
          "the last one holds; the last line needs no end");
    char long_line[1200] = "[sentinel]\nrare_species = ";
    while (strlen(long_line) < 1000)
        strcat(long_line, "leopard,");
    CHECK(read_text(long_line) == NJ_OK && strlen(conf.sentinel.rare_species) > 900, "a long list %s", error.text);
}

static void check_refusals(void)
{
    refused("[ingest]\n\nburst_gap = 5\n", ":3: burst_gap = 5: no such key in [ingest]; did you mean burst_gap_seconds?");
    refused("[station]\nlattitude = 5\n", ":2: lattitude = 5: no such key in [station]; did you mean latitude?");
    refused("[ingest]\npanel_wp = 5\n", ":2: panel_wp = 5: no such key in [ingest]; did you mean power.panel_wp?");
    refused("[inget]\ncards = x\n", ":2: [inget]: no such section; did you mean [ingest]?");
    refused("[station]\nlatitude = north\n", ":2: latitude = north: a number from -90 to 90 is expected");
    refused("[station]\nlatitude = 91\n", ":2: latitude = 91: a number from -90 to 90 is expected");
    refused("[station]\nlatitude = nan\n", ":2: latitude = nan: a number from -90 to 90 is expected");
    refused("[model]\nthreads = 2.5\n", ":2: threads = 2.5: a whole number from 0 to 256 is expected");
    refused("[model]\nthreads =\n", ":2: threads = : a whole number from 0 to 256 is expected");
    refused("[model]\nthink = maybe\n", ":2: think = maybe: yes or no is expected");
    refused("[model]\nsoft_tokens = 100\n", ":2: soft_tokens = 100: one of auto, 70, 140, 280, 560, 1120 is expected");
    refused("[uplink]\ntransport = directroy\n",
            ":2: transport = directroy: one of none|directory|mqtt|serial is expected; did you mean directory?");
    refused("[power]\nbattery = sysf:/x\n",
            ":2: battery = sysf:/x: one of sysfs:|hwmon:|vedirect:|file:|none is expected; did you mean sysfs:?");
    refused("[power]\nbattery = sysfs\n",
            ":2: battery = sysfs: one of sysfs:|hwmon:|vedirect:|file:|none is expected; did you mean sysfs:?");
    refused("[power]\nbattery = file:\n", ":2: battery = file:: something is expected behind file:");
    refused("[power]\nwake = /sys/class/rtc/rtc0/wakealarm\n",
            ":2: wake = /sys/class/rtc/rtc0/wakealarm: one of rtc:|command:|none is expected; did you mean rtc:?");
    refused("[database]\npath =\n", ":2: path: may not be empty");
    refused("name = x\n", ":1: name: stands before the first [section]");
    refused("[station\nname = x\n", ":1: [station: a section is [name]");
    refused("[station]\nname\n", ":2: name: neither [section] nor key = value");
    refused("[sim]\nwake_seconds = 3\n", ":2: [sim]: no such section; did you mean [station]?");
    CHECK(read_bytes("[station]\n\0\0\0", 13) == NJ_ERROR && strstr(error.text, "loss of power"), "a file of zeros after a cut: %s",
          error.text);
    char too_long[200] = "[station]\nsite = ";
    memset(too_long + strlen(too_long), 'x', 100);
    CHECK(read_text(too_long) == NJ_ERROR && strstr(error.text, ":2: site: longer than 63 bytes"), "too long a word: %s", error.text);
    nj_conf_defaults(&conf);
    CHECK(nj_conf_read(&conf, "/nowhere/nightjar.conf", &error) == NJ_ERROR && strstr(error.text, "/nowhere/nightjar.conf"),
          "no such file: %s", error.text);
}

static void check_sets(void)
{
    nj_conf_defaults(&conf);
    CHECK(nj_conf_set(&conf, "sim.wake_seconds=12", &error) == NJ_OK && conf.sim.wake_seconds == 12, "--set of the simulator's world");
    CHECK(nj_conf_set(&conf, "station.name=a=b.c", &error) == NJ_OK && !strcmp(conf.station.name, "a=b.c"), "a value with = and . in it");
    CHECK(nj_conf_set(&conf, "station", &error) == NJ_ERROR && nj_conf_set(&conf, "station=x", &error) == NJ_ERROR &&
              strstr(error.text, "section.key=value"),
          "no key: %s", error.text);
    CHECK(nj_list_has("a, b ,c", "b") && !nj_list_has("a, b ,c", "d") && !nj_list_has("", "a") && !nj_list_has("ab", "a"), "lists");
}

/* The sample, as it is and with every # in front of a key taken away, is a valid file that changes nothing. */
static void check_sample(void)
{
    struct nj_conf defaults;
    char          *sample = NULL, *bare, *to;
    size_t         size;
    FILE          *memory = open_memstream(&sample, &size);
    nj_conf_print_sample(memory);
    fclose(memory);
    nj_conf_defaults(&defaults);
    CHECK(read_text(sample) == NJ_OK && !memcmp(&conf, &defaults, sizeof conf), "the sample changes nothing %s", error.text);
    bare = to = malloc(size + 1);
    for (const char *at = sample; *at; at++)
        if (!(*at == '#' && at[1] != ' ' && (at == sample || at[-1] == '\n')))
            *to++ = *at;
    *to = 0;
    CHECK(read_text(bare) == NJ_OK && !memcmp(&conf, &defaults, sizeof conf), "nor does every key with its default %s", error.text);
    free(bare);
    free(sample);
}

int main(void)
{
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    check_values();
    check_refusals();
    check_sets();
    check_sample();
    unlink(path);
    return tap_done();
}
