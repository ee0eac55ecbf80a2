/* export_camtrap.c: a Camera Trap Data Package (Camtrap DP 1.0.1): datapackage.json, deployments.csv, media.csv, observations.csv.
 *
 * A deployment is one card in one camera. Observations are those of events, as the model reads whole bursts; a count of a bin is its least number,
 * with the bin as a tag. The format demands a time of every row: events without one stay out and are counted. It also demands a place: where
 * [station] latitude and longitude are not set, 0, 0 stands with an uncertainty of half the way round the earth. */
#include "base/json.h"
#include "pipeline/cli/export.h"
#include "pipeline/sentinel/species.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STANDARD        "https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0.1/"
#define ANYWHERE_METRES "20015000" /* half the earth's circumference */
#define NEAR_METRES     "30"       /* what a hand-held GPS gives */

struct deployment {
    char    id[192], card[256], camera[128];
    int64_t first, last;
    bool    timelapse;
};

struct package {
    struct nj_export     *job;
    struct deployment    *deployments;
    size_t                count;
    bool                  seen[NJ_SPECIES_COUNT], motion, timelapse;
    struct nj_export_file file;
    char                  last[NJ_DB_EVENT_ID];
};

static nj_status path_in(const struct nj_export *job, const char *name, char out[4096])
{
    return nj_path_join(out, 4096, job->output, name) ? NJ_OK : nj_fail(&job->cli->error, "%s: the path is too long", job->output);
}

/* ---- deployments ---- */

static struct deployment *find(struct package *package, const struct nj_row *row)
{
    const char *card = nj_row_text(row, "card"), *camera = nj_row_text(row, "camera");
    for (size_t i = 0; i < package->count; i++)
        if (!strcmp(package->deployments[i].card, card) && !strcmp(package->deployments[i].camera, camera))
            return &package->deployments[i];
    struct deployment *more = realloc(package->deployments, (package->count + 1) * sizeof *more);
    if (!more)
        return NULL;
    package->deployments     = more;
    struct deployment *added = &more[package->count++];
    *added                   = (struct deployment){.first = INT64_MAX, .last = INT64_MIN};
    snprintf(added->card, sizeof added->card, "%s", card);
    snprintf(added->camera, sizeof added->camera, "%s", camera);
    snprintf(added->id, sizeof added->id, "%.40s-%zu", package->job->cli->conf.station.site, package->count);
    return added;
}

/* First pass: which deployments there are, from when to when, and what was seen in them. */
static nj_status on_event(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct package *package = user;
    struct nj_row   row     = {names, values, count};
    int64_t         begin = nj_row_time(&row, "started_at"), end = nj_row_time(&row, "ended_at");
    if (nj_export_hides(package->job, &row) || begin == NJ_DB_NO_TIME || end == NJ_DB_NO_TIME)
        return NJ_OK;
    struct deployment *deployment = find(package, &row);
    if (!deployment)
        return nj_fail(&package->job->cli->error, "%s: no memory", package->job->output);
    deployment->first = begin < deployment->first ? begin : deployment->first;
    deployment->last  = end > deployment->last ? end : deployment->last;
    bool lapse        = !strcmp(nj_row_text(&row, "trigger"), "timelapse");
    package->timelapse |= lapse;
    package->motion |= !lapse;
    int species = nj_species_index(nj_row_text(&row, "species"));
    if (species >= 0)
        package->seen[species] = true;
    return NJ_OK;
}

static nj_status write_deployments(struct package *package)
{
    struct nj_export     *job   = package->job;
    const struct nj_conf *conf  = &job->cli->conf;
    bool                  known = !isnan(conf->station.latitude) && !isnan(conf->station.longitude);
    char                  path[4096], first[40], last[40];
    nj_status             status = path_in(job, "deployments.csv", path);
    if (status == NJ_OK)
        status = nj_export_begin(job, path, &package->file);
    if (status != NJ_OK)
        return status;
    struct nj_text *text = &package->file.text;
    nj_text_add(
        text,
        "deploymentID,locationID,locationName,latitude,longitude,coordinateUncertainty,deploymentStart,deploymentEnd,setupBy,cameraID,"
        "cameraModel,cameraDelay,cameraHeight,cameraDepth,cameraTilt,cameraHeading,detectionDistance,timestampIssues,baitUse,"
        "featureType,habitat,deploymentGroups,deploymentTags,deploymentComments\r\n");
    for (size_t i = 0; i < package->count; i++) {
        const struct deployment *at = &package->deployments[i];
        nj_zoned_time(job, at->first, first);
        nj_zoned_time(job, at->last, last);
        nj_export_cell(text, at->id);
        nj_csv_cell(text, conf->station.site);
        nj_csv_cell(text, conf->station.name);
        nj_text_add(text, ",");
        nj_text_add_number(text, known ? conf->station.latitude : 0);
        nj_text_add(text, ",");
        nj_text_add_number(text, known ? conf->station.longitude : 0);
        nj_text_addf(text, ",%s,%s,%s,", known ? NEAR_METRES : ANYWHERE_METRES, first, last);
        nj_csv_cell(text, at->camera);
        nj_text_add(text, ",,,,,,,,,,,,,");
        nj_csv_cell(text, known ? "" : "the place was not given: the coordinates mean nothing");
        nj_text_add(text, "\r\n");
    }
    return nj_export_end(job, &package->file, status);
}

/* ---- media ---- */

/* The standard wants no path that begins with a dot, a slash or a tilde, nor two dots in a row, and no spreadsheet should see a formula: such bytes are
 * percent-encoded. */
static void add_path(struct nj_text *out, const char *card, const char *path)
{
    struct nj_text whole = {0}, safe = {0};
    nj_text_addf(&whole, "%s/%s", card, path);
    for (const char *at = whole.data ? whole.data : ""; *at; at++)
        if ((at == whole.data && strchr("./~=+-@", *at)) || (*at == '.' && (at[1] == '.' || at[-1] == '.')) || *at == '%' ||
            (unsigned char)*at < 0x20)
            nj_text_addf(&safe, "%%%02X", (unsigned char)*at);
        else
            nj_text_add_bytes(&safe, at, 1);
    nj_csv_cell(out, safe.data);
    out->failed |= whole.failed || safe.failed;
    nj_text_free(&whole);
    nj_text_free(&safe);
}

static nj_status on_frame(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct package *package = user;
    struct nj_row   row     = {names, values, count};
    struct nj_text *text    = &package->file.text;
    int64_t         taken   = nj_row_time(&row, "taken_at");
    if (taken == NJ_DB_NO_TIME)
        taken = nj_row_time(&row, "started_at");
    if (nj_export_hides(package->job, &row) || nj_row_time(&row, "started_at") == NJ_DB_NO_TIME)
        return NJ_OK;
    const struct deployment *deployment = find(package, &row);
    const char              *path = nj_row_text(&row, "path"), *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    char                     time[40];
    if (!deployment)
        return nj_fail(&package->job->cli->error, "%s: no memory", package->job->output);
    nj_zoned_time(package->job, taken, time);
    nj_text_addf(text, "%s-%lld", nj_row_text(&row, "event_id"), (long long)nj_row_number(&row, "frame_index"));
    nj_csv_cell(text, deployment->id);
    nj_csv_cell(text, !strcmp(nj_row_text(&row, "trigger"), "timelapse") ? "timeLapse" : "activityDetection");
    nj_csv_cell(text, time);
    add_path(text, nj_row_text(&row, "card"), path);
    nj_csv_cell(text, "false"); /* it lies on a card, not on the net */
    nj_csv_cell(text, slash ? slash + 1 : path);
    nj_csv_cell(text, dot && !strcasecmp(dot, ".png") ? "image/png" : "image/jpeg");
    nj_text_add(text, ",,,\r\n");
    return nj_export_flush(package->job, &package->file);
}

/* ---- observations ---- */

static void add_animal(struct nj_text *text, const struct nj_row *row)
{
    static const char *const words[] = {"standing", "resting", "moving", "eating", "interacting"};
    const char              *label   = nj_row_text(row, "species");
    struct nj_text           doing   = {0};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (nj_row_number(row, words[i]))
            nj_text_addf(&doing, "%s%s", doing.length ? "|" : "", words[i]);
    nj_csv_cell(text, nj_scientific_name(label));
    nj_text_add(text, ",");
    if (nj_row_number(row, "count_min") > 0)
        nj_text_addf(text, "%lld", (long long)nj_row_number(row, "count_min"));
    nj_csv_cell(text, ""); /* lifeStage is of all of them; young ones are a tag */
    nj_csv_cell(text, !strcmp(label, "lionFemale") ? "female" : !strcmp(label, "lionMale") ? "male" : "");
    nj_csv_cell(text, doing.data);
    text->failed |= doing.failed;
    nj_text_free(&doing);
}

static void add_classification(struct package *package, const struct nj_row *row)
{
    struct nj_text *text   = &package->file.text;
    bool            ranger = !strcmp(nj_row_text(row, "decided_by"), "ranger"), done = !strcmp(nj_row_text(row, "state"), "done");
    nj_csv_cell(text, !done ? "" : ranger ? "human" : "machine");
    nj_csv_cell(text, !done ? "" : ranger ? nj_row_text(row, "by_whom") : nj_row_text(row, "model"));
    nj_csv_cell(text, !done ? "" : ranger ? nj_row_text(row, "reviewed_utc") : nj_row_text(row, "finished_utc"));
    nj_text_add(text, ",");
    if (done && !ranger && nj_row_is_set(row, "probability"))
        nj_text_add_number(text, nj_row_real(row, "probability"));
}

static void add_tags(struct nj_text *text, const struct nj_row *row)
{
    struct nj_text tags = {0};
    if (*nj_row_text(row, "species"))
        nj_text_addf(&tags, "label:%s", nj_row_text(row, "species"));
    if (*nj_row_text(row, "count_bin"))
        nj_text_addf(&tags, "%scountBin:%s", tags.length ? "|" : "", nj_row_text(row, "count_bin"));
    if (nj_row_number(row, "young_present"))
        nj_text_addf(&tags, "%syoung:present", tags.length ? "|" : "");
    if (!strcmp(nj_row_text(row, "review_status"), "open"))
        nj_text_addf(&tags, "%sreview:open", tags.length ? "|" : "");
    nj_csv_cell(text, tags.data);
    text->failed |= tags.failed;
    nj_text_free(&tags);
}

static const char *type_of(const struct nj_row *row)
{
    if (strcmp(nj_row_text(row, "state"), "done") != 0)
        return "unclassified";
    if (*nj_row_text(row, "species"))
        return nj_species_index(nj_row_text(row, "species")) >= 0 ? "animal" : "unknown";
    if (nj_row_number(row, "people"))
        return "human";
    return nj_row_is_set(row, "blank") && nj_row_number(row, "blank") ? "blank" : "unknown";
}

static nj_status on_detection(void *user, const char *const *names, const struct nj_db_value *values, size_t count)
{
    struct package *package = user;
    struct nj_row   row     = {names, values, count};
    struct nj_text *text    = &package->file.text;
    const char     *event = nj_row_text(&row, "event_id"), *type = type_of(&row);
    int64_t         begin = nj_row_time(&row, "started_at"), end = nj_row_time(&row, "ended_at");
    bool            first = strcmp(package->last, event) != 0;
    char            from[40], to[40];
    snprintf(package->last, sizeof package->last, "%s", event);
    if (nj_export_hides(package->job, &row)) {
        package->job->people_left_out += first;
        return NJ_OK;
    }
    if (begin == NJ_DB_NO_TIME || end == NJ_DB_NO_TIME) {
        package->job->no_time += first;
        return NJ_OK;
    }
    const struct deployment *deployment = find(package, &row);
    if (!deployment)
        return nj_fail(&package->job->cli->error, "%s: no memory", package->job->output);
    package->job->written += first;
    nj_zoned_time(package->job, begin, from);
    nj_zoned_time(package->job, end, to);
    nj_text_addf(text, "%s-o%lld", event, (long long)nj_row_number(&row, "detection"));
    nj_csv_cell(text, deployment->id);
    nj_csv_cell(text, ""); /* mediaID is for observations of one picture */
    nj_csv_cell(text, event);
    nj_csv_cell(text, from);
    nj_csv_cell(text, to);
    nj_csv_cell(text, "event");
    nj_csv_cell(text, type);
    nj_csv_cell(text, "");
    if (!strcmp(type, "animal"))
        add_animal(text, &row);
    else
        nj_text_add(text, ",,,,,");
    nj_text_add(text, ",,,,,,,,");
    add_classification(package, &row);
    add_tags(text, &row);
    nj_csv_cell(text, strcmp(type, "unclassified") ? "" : nj_row_text(&row, "state_reason"));
    nj_text_add(text, "\r\n");
    return nj_export_flush(package->job, &package->file);
}

static nj_status write_table(struct package *package, const char *name, const char *header, const char *view, nj_db_on_row *callback)
{
    char      path[4096];
    nj_status status = path_in(package->job, name, path);
    if (status == NJ_OK)
        status = nj_export_begin(package->job, path, &package->file);
    if (status != NJ_OK)
        return status;
    nj_text_add(&package->file.text, header);
    status = nj_export_select(package->job, view, NULL, callback, package);
    return nj_export_end(package->job, &package->file, status);
}

/* ---- datapackage.json ---- */

static json_t *resource(const char *name)
{
    return json_pack("{s:s, s:s+, s:s, s:s, s:s, s:s, s:s++}", "name", name, "path", name, ".csv", "profile", "tabular-data-resource",
                     "format", "csv", "mediatype", "text/csv", "encoding", "utf-8", "schema", STANDARD, name, "-table-schema.json");
}

/* One entry a scientific name: lioness and male lion are one taxon, and readers join the table of observations to this list by that name. */
static json_t *taxa(const struct package *package)
{
    json_t *list = json_array();
    for (int i = 0; i < NJ_SPECIES_COUNT; i++) {
        const struct nj_species *species = &nj_species[i];
        bool                     shared = false, listed = false;
        for (int other = 0; other < NJ_SPECIES_COUNT; other++)
            if (other != i && !strcmp(nj_species[other].scientific, species->scientific)) {
                shared = true;
                listed |= other < i && package->seen[other];
            }
        if (!package->seen[i] || listed)
            continue;
        json_t *taxon = json_pack("{s:s}", "scientificName", species->scientific);
        if (!shared) /* the word for one of two would be wrong for the other */
            json_object_set_new(taxon, "vernacularNames", json_pack("{s:s, s:s}", "eng", species->display, "swa", species->swahili));
        json_array_append_new(list, taxon);
    }
    return list;
}

static nj_status write_package(struct package *package)
{
    struct nj_export      *job   = package->job;
    const struct nj_conf  *conf  = &job->cli->conf;
    bool                   known = !isnan(conf->station.latitude) && !isnan(conf->station.longitude);
    const struct nj_clock *clock = nj_clock_system();
    int64_t                now = clock->wall_ms(clock->self), first = INT64_MAX, last = INT64_MIN;
    char                   created[NJ_TIME_TEXT], start[NJ_TIME_TEXT], end[NJ_TIME_TEXT], path[4096], name[80];
    for (size_t i = 0; i < package->count; i++) {
        first = package->deployments[i].first < first ? package->deployments[i].first : first;
        last  = package->deployments[i].last > last ? package->deployments[i].last : last;
    }
    nj_time_utc(now, created);
    nj_time_local(package->count ? first : now / 1000, start);
    nj_time_local(package->count ? last : now / 1000, end);
    start[10] = end[10] = 0;
    snprintf(name, sizeof name, "nightjar-%s", conf->station.site);
    for (char *at = name; *at; at++)
        *at = isalnum((unsigned char)*at) ? (char)tolower((unsigned char)*at) : '-';
    json_t *methods = json_array();
    if (package->motion || !package->timelapse)
        json_array_append_new(methods, json_string("activityDetection"));
    if (package->timelapse)
        json_array_append_new(methods, json_string("timeLapse"));
    json_t *document =
        json_pack("{s:[o,o,o], s:s, s:s, s:s, s:s, s:[{s:s, s:s}], s:[{s:s, s:s}], s:{s:s, s:s, s:o, s:b, s:[s]}, s:{s:s, s:[f, f]}, "
                  "s:{s:s, s:s}, s:o}",
                  "resources", resource("deployments"), resource("media"), resource("observations"), "profile",
                  STANDARD "camtrap-dp-profile.json", "name", name, "created", created, "title", conf->station.name, "contributors",
                  "title", conf->station.name, "role", "contributor", "sources", "title", "Nightjar", "version", NJ_VERSION, "project",
                  "title", conf->station.name, "samplingDesign", "opportunistic", "captureMethod", methods, "individualAnimals", 0,
                  "observationLevel", "event", "spatial", "type", "Point", "coordinates", known ? conf->station.longitude : 0.0,
                  known ? conf->station.latitude : 0.0, "temporal", "start", start, "end", end, "taxonomic", taxa(package));
    char     *text   = document ? json_dumps(document, JSON_INDENT(2)) : NULL;
    nj_status status = text ? path_in(job, "datapackage.json", path) : nj_fail(&job->cli->error, "%s: no memory", job->output);
    if (status == NJ_OK)
        status = nj_file_write_atomic(path, text, strlen(text), &job->cli->error);
    free(text);
    json_decref(document);
    return status;
}

nj_status nj_export_camtrap(struct nj_export *job)
{
    struct package package = {.job = job};
    nj_status      status  = nj_export_select(job, "event_detections", NULL, on_event, &package);
    if (status == NJ_OK)
        status = write_deployments(&package);
    if (status == NJ_OK)
        status = write_table(&package, "media.csv",
                             "mediaID,deploymentID,captureMethod,timestamp,filePath,filePublic,fileName,fileMediatype,exifData,favorite,"
                             "mediaComments\r\n",
                             "event_frames", on_frame);
    if (status == NJ_OK)
        status =
            write_table(&package, "observations.csv",
                        "observationID,deploymentID,mediaID,eventID,eventStart,eventEnd,observationLevel,observationType,cameraSetupType,"
                        "scientificName,count,lifeStage,sex,behavior,individualID,individualPositionRadius,individualPositionAngle,"
                        "individualSpeed,bboxX,bboxY,bboxWidth,bboxHeight,classificationMethod,classifiedBy,classificationTimestamp,"
                        "classificationProbability,observationTags,observationComments\r\n",
                        "event_detections", on_detection);
    if (status == NJ_OK)
        status = write_package(&package); /* last: a folder with it is complete */
    free(package.deployments);
    return status;
}
