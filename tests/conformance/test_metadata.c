/* What nj_metadata_read finds, compared with what exiftool prints for the same files. */
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "pipeline/picture/metadata.h"
#include "tests/tap.h"

#include <math.h>
#include <unistd.h>

static unsigned comments; /* pictures with a comment that is text */

static const char *string(json_t *file, const char *key)
{
    json_t     *value = json_object_get(file, key);
    static char number[32];
    if (json_is_integer(value))
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
    return json_is_string(value) ? json_string_value(value) : json_is_integer(value) ? number : "";
}

static long long integer(json_t *file, const char *key, long long absent)
{
    json_t *value = json_object_get(file, key);
    return json_is_integer(value) ? json_integer_value(value) : absent;
}

/* exiftool's "2010:08:19 18:24:57" in our form; "" where it is no date. */
static void iso(const char *date, char out[NJ_TIME_TEXT])
{
    snprintf(out, NJ_TIME_TEXT, "%.19s", date);
    if (strlen(out) < 19 || !strncmp(out, "0000", 4) || out[0] == ' ')
        out[0] = 0;
    else
        out[4] = out[7] = '-', out[10] = 'T';
}

static bool same_text(const char *want, const char *got)
{
    char trimmed[256];
    nj_metadata_text(trimmed, sizeof trimmed, (const uint8_t *)want, strlen(want));
    return !strcmp(trimmed, got);
}

/* Reconyx: everything that the trigger is made of. */
static void check_reconyx(const char *path, json_t *file, const struct nj_metadata *m)
{
    char want[64], got[64];
    snprintf(want, sizeof want, "%s event %lld %s %lld C", string(file, "Reconyx:Sequence"), integer(file, "Reconyx:EventNumber", -1),
             string(file, "Reconyx:TriggerMode"), integer(file, "Reconyx:AmbientTemperature", -999));
    snprintf(got, sizeof got, "%u %u event %u %s %d C", m->k, m->n, m->event, m->trigger == NJ_TRIGGER_TIMELAPSE ? "T" : "M", m->celsius);
    CHECK(m->sequenced && !strcmp(want, got), "%s: %s", path, want);
    if (strcmp(want, got))
        printf("# got %s\n", got);
    CHECK(same_text(string(file, "Reconyx:SerialNumber"), m->serial), "%s: serial %s", path, m->serial);
    CHECK(same_text(string(file, "Reconyx:UserLabel"), m->label), "%s: label %s", path, m->label);
}

static void check_time(const char *path, json_t *file, const struct nj_metadata *m)
{
    char want[NJ_TIME_TEXT], got[NJ_TIME_TEXT] = "";
    iso(string(file, "ExifIFD:DateTimeOriginal"), want);
    const char *source = want[0] ? "exif" : NULL;
    if (!want[0])
        iso(string(file, "ExifIFD:CreateDate"), want), source = want[0] ? "exif" : NULL;
    if (!want[0])
        iso(string(file, "Reconyx:DateTimeOriginal"), want), source = want[0] ? "makernote" : NULL;
    if (!want[0])
        iso(string(file, "IFD0:ModifyDate"), want), source = want[0] ? "exif" : NULL;
    if (m->taken_at != NJ_TIME_UNKNOWN)
        nj_time_local(m->taken_at, got);
    const char *said = nj_time_source_name(m->source);
    CHECK(!strcmp(want, got) && (source == said || (source && said && !strcmp(source, said))), "%s: time %s (%s) is %s", path, got,
          said ? said : "none", want);
}

/* The date in the maker note must say what EXIF says: with the EXIF dates blanked out, nothing else is left to read. exiftool cannot judge here,
 * since it prints day and month of the HyperFire 2 in the wrong order. */
static void check_noted_time(const char *path, json_t *file, uint8_t *bytes, size_t size)
{
    const char        *date = string(file, "ExifIFD:DateTimeOriginal");
    char               want[NJ_TIME_TEXT], got[NJ_TIME_TEXT] = "";
    struct nj_metadata m;
    iso(date, want);
    if (!want[0])
        return;
    for (size_t i = 0; i + 19 <= size && i < 65536; i++)
        if (!memcmp(bytes + i, date, 19))
            memset(bytes + i, ' ', 19);
    nj_metadata_read(bytes, size, &m);
    if (m.taken_at != NJ_TIME_UNKNOWN)
        nj_time_local(m.taken_at, got);
    CHECK(m.source == NJ_TIME_MAKERNOTE && !strcmp(want, got), "%s: the maker note says %s, EXIF %s", path, got, want);
}

static void check_position(const char *path, json_t *file, const struct nj_metadata *m)
{
    json_t *latitude = json_object_get(file, "GPS:GPSLatitude"), *longitude = json_object_get(file, "GPS:GPSLongitude");
    if (!json_is_number(latitude) || !json_is_number(longitude) || !m->has_position)
        return (void)CHECK(!json_is_number(latitude) == !m->has_position, "%s: no position", path);
    double north = json_number_value(latitude) * (string(file, "GPS:GPSLatitudeRef")[0] == 'S' ? -1 : 1);
    double east  = json_number_value(longitude) * (string(file, "GPS:GPSLongitudeRef")[0] == 'W' ? -1 : 1);
    CHECK(fabs(north - m->latitude) < 1e-6 && fabs(east - m->longitude) < 1e-6, "%s: position %f %f", path, m->latitude, m->longitude);
}

static void check_file(json_t *file)
{
    const char        *path  = string(file, "SourceFile");
    uint8_t           *bytes = NULL;
    size_t             size  = 0;
    struct nj_metadata m;
    if (nj_file_read(path, 64 << 20, &bytes, &size, NULL) != NJ_OK)
        return (void)CHECK(0, "%s can be read", path);
    nj_metadata_read(bytes, size, &m);
    CHECK(same_text(string(file, "IFD0:Make"), m.make) && same_text(string(file, "IFD0:Model"), m.model), "%s: %s %s", path, m.make,
          m.model);
    if (!json_is_real(json_object_get(file, "IFD0:Software"))) /* "1.0" comes out of exiftool as a number */
        CHECK(same_text(string(file, "IFD0:Software"), m.software), "%s: software %s", path, m.software);
    /* Where the header is broken exiftool searches on, and may find the thumbnail instead; libjpeg does not, and neither do we. */
    if (strncmp(string(file, "ExifTool:Warning"), "Processing", 10) != 0)
        CHECK(integer(file, "File:ImageWidth", 0) == m.width && integer(file, "File:ImageHeight", 0) == m.height, "%s: %u x %u", path,
              m.width, m.height);
    long long orientation = integer(file, "IFD0:Orientation", 0);
    CHECK((orientation >= 1 && orientation <= 8 ? orientation : 0) == m.orientation, "%s: orientation %u", path, m.orientation);
    if (m.comment[0]) {
        comments++;
        CHECK(same_text(string(file, "ExifIFD:UserComment"), m.comment), "%s: comment %s", path, m.comment);
    }
    check_time(path, file, &m);
    check_position(path, file, &m);
    if (json_object_get(file, "Reconyx:Sequence")) {
        check_reconyx(path, file, &m);
        check_noted_time(path, file, bytes, size);
    } else
        CHECK(!m.sequenced && m.trigger == NJ_TRIGGER_UNKNOWN, "%s: does not speak of triggers", path);
    struct nj_metadata copy = m;
    nj_metadata_distrust(&copy);
    CHECK(!memcmp(&copy, &m, sizeof m), "%s: an honest answer passes unchanged", path);
    free(bytes);
}

/* exiftool's answers for everything under `folder`, or NULL where it is not installed. */
static json_t *exiftool(const char *folder)
{
    char           command[4200];
    struct nj_text out   = {0};
    json_t        *files = NULL;
    snprintf(command, sizeof command, "exiftool -q -q -m -r -n -G1 -json -ext jpg -ext jpeg '%s' 2>/dev/null", folder);
    FILE *pipe = popen(command, "r");
    for (int c; pipe && (c = getc(pipe)) != EOF;)
        nj_text_add_bytes(&out, &(char){(char)c}, 1);
    if (pipe)
        pclose(pipe);
    if (out.length)
        nj_json_parse("exiftool", out.data, out.length, &files, NULL);
    nj_text_free(&out);
    return files;
}

static void check_folder(const char *folder)
{
    json_t *files = exiftool(folder), *file;
    size_t  i;
    if (!CHECK(json_array_size(files) > 0, "exiftool reads %s", folder))
        return;
    json_array_foreach(files, i, file) if (integer(file, "File:ImageWidth", 0)) check_file(file);
    json_decref(files);
}

static void check_card(const char *shared, const char *name)
{
    char scratch[] = "/tmp/nj-metadata-XXXXXX", command[8500], folder[64];
    if (!mkdtemp(scratch))
        return (void)CHECK(0, "a scratch folder");
    snprintf(command, sizeof command, "tar --zstd -xf '%s/data/cards/%s.tar.zst' -C %s", shared, name, scratch);
    snprintf(folder, sizeof folder, "%s/card", scratch);
    if (CHECK(system(command) == 0, "%s unpacks", name))
        check_folder(folder);
    snprintf(command, sizeof command, "rm -rf %s", scratch);
    if (system(command) != 0)
        printf("# %s stays behind\n", scratch);
}

/* Notes and headers that end too soon: whatever the length, an answer and no crash. */
static void check_cuts(const char *shared)
{
    char               path[4200];
    uint8_t           *bytes = NULL;
    size_t             size = 0, whole = 0;
    struct nj_metadata m;
    snprintf(path, sizeof path, "%s/data/images/brands/mex_Reconyx_HF2_Pro_Covert.jpg", shared);
    if (nj_file_read(path, 64 << 20, &bytes, &size, NULL) != NJ_OK)
        return (void)CHECK(0, "%s can be read", path);
    for (size_t end = 0; end < 4000 && end < size; end++) {
        uint8_t *cut = malloc(end + 1); /* of exactly that size, so that a sanitizer sees the first byte too many */
        memcpy(cut, bytes, end);
        nj_metadata_read(cut, end, &m);
        whole += m.serial[0] != 0;
        free(cut);
    }
    CHECK(whole > 0 && whole < 4000, "a picture cut at every byte of its header: the serial number appears with the note (%zu of 4000)",
          whole);
    free(bytes);
}

int main(void)
{
    const char *shared = tap_shared();
    char        folder[4200];
    CHECK(nj_metadata_time(2016, 2, 29, 23, 59, 59) == 1456790399, "29 February 2016 is a date");
    CHECK(nj_metadata_time(2015, 2, 29, 0, 0, 0) == NJ_TIME_UNKNOWN && nj_metadata_time(0, 0, 0, 0, 0, 0) == NJ_TIME_UNKNOWN &&
              nj_metadata_time(2020, 12, 31, 24, 0, 0) == NJ_TIME_UNKNOWN,
          "29 February 2015, all zeros and hour 24 are none");
    if (!shared) {
        SKIP("no reference pictures");
        return tap_done();
    }
    if (system("exiftool -ver >/dev/null 2>&1") != 0) {
        SKIP("exiftool is not installed");
        return tap_done();
    }
    snprintf(folder, sizeof folder, "%s/data/images", shared);
    check_folder(folder);
    snprintf(folder, sizeof folder, "%s/data/malformed", shared);
    check_folder(folder);
    static const char *const cards[] = {"hyperfire", "bushnell", "mixed-brands", "clock", "two-cameras"};
    for (size_t i = 0; i < sizeof cards / sizeof *cards; i++)
        check_card(shared, cards[i]);
    CHECK(comments > 0, "%u of them have a comment", comments);
    check_cuts(shared);
    return tap_done();
}
