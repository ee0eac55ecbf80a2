/* report_html.c: the page. Sections from top to bottom, one function each; the style sheet is the first thing in it. */
#include "pipeline/cli/report.h"
#include "pipeline/cli/report_data.h"
#include "pipeline/cli/table.h"
#include "pipeline/cli/thumbnail.h"

#include <inttypes.h>
#include <math.h>
#include <nettle/base64.h>
#include <stdlib.h>
#include <string.h>

#define THUMBNAIL_SIDE    320
#define THUMBNAIL_QUALITY 60
#define CHART_POINTS      240

/* Phone first; wider screens get more columns. Colours are chosen for a contrast of at least 4.5 in both themes. */
static const char style[] =
    ":root{color-scheme:light dark;--ink:#1c1b18;--paper:#fbfaf7;--card:#fff;--line:#d9d4c8;--soft:#5c574c;--green:#2f6b3a;--blank:#817a6c;"
    "--red:#a3281c;--amber:#7a5200;--night:#e9e6f2}"
    "@media(prefers-color-scheme:dark){:root{--ink:#ece8df;--paper:#171613;--card:#211f1b;--line:#3b382f;--soft:#b3ac9c;--green:#86c98f;"
    "--blank:#8f887a;--red:#ff9c8f;--amber:#e8b95a;--night:#24222f}}"
    "*{box-sizing:border-box}body{margin:0;font:16px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper)}"
    "main,header,footer{max-width:64rem;margin:0 auto;padding:0 1rem}h1{font-size:1.5rem;margin:1rem 0 0}h2{font-size:1.15rem;margin:2rem "
    "0 .5rem}"
    "p{margin:.3rem 0}.soft{color:var(--soft)}.tiles{display:grid;grid-template-columns:repeat(2,1fr);gap:.5rem;margin:1rem "
    "0;padding:0;list-style:none}"
    ".tiles li{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.5rem .75rem}"
    ".tiles b{display:block;font-size:1.6rem;line-height:1.2}.urgent b{color:var(--red)}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%;background:var(--card);border:1px solid var(--line)}"
    "caption{text-align:left;color:var(--soft);padding:.25rem 0}th,td{padding:.35rem .5rem;border-bottom:1px solid "
    "var(--line);text-align:left;"
    "vertical-align:top}tbody th{white-space:nowrap}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
    ".cards{display:grid;grid-template-columns:1fr;gap:.75rem;margin:0;padding:0;list-style:none}.cards li{background:var(--card);"
    "border:1px solid var(--line);border-radius:.5rem;overflow:hidden;break-inside:avoid}.cards img{display:block;width:100%;height:auto}"
    ".cards div{padding:.5rem .75rem}.cards h3{margin:0;font-size:1.05rem}.high{color:var(--red)}.medium{color:var(--amber)}"
    "code{font:.9em "
    "ui-monospace,monospace;overflow-wrap:anywhere}svg{display:block;width:100%;max-width:40rem;height:auto;background:var(--card);"
    "border:1px solid var(--line);border-radius:.5rem}svg text{fill:var(--soft);font:11px system-ui,sans-serif}"
    ".break{overflow-wrap:anywhere}footer{padding-bottom:2rem;margin-top:2rem}"
    "@media(min-width:40rem){.tiles{grid-template-columns:repeat(4,1fr)}.cards{grid-template-columns:repeat(2,1fr)}}"
    "@media(min-width:60rem){.cards{grid-template-columns:repeat(3,1fr)}}"
    "@media "
    "print{:root{--ink:#000;--paper:#fff;--card:#fff;--line:#999;--soft:#333;--green:#2f6b3a;--red:#a3281c;--amber:#7a5200;--night:#eee}"
    "body{font-size:11pt}.cards{grid-template-columns:repeat(3,1fr)}h2{break-after:avoid}}";

void nj_text_add_html(struct nj_text *text, const char *string)
{
    struct nj_text shown = {0};
    nj_text_add_visible(&shown, string);
    for (const char *at = shown.data ? shown.data : ""; *at; at++)
        switch (*at) {
        case '&':
            nj_text_add(text, "&amp;");
            break;
        case '<':
            nj_text_add(text, "&lt;");
            break;
        case '>':
            nj_text_add(text, "&gt;");
            break;
        case '"':
            nj_text_add(text, "&quot;");
            break;
        case '\'':
            nj_text_add(text, "&#39;");
            break;
        default:
            nj_text_add_bytes(text, at, 1);
        }
    text->failed |= shown.failed;
    nj_text_free(&shown);
}

static void add_tile(struct nj_text *out, const char *kind, int64_t number, const char *words)
{
    nj_text_addf(out, "<li%s%s%s><b>%" PRId64 "</b> %s</li>\n", *kind && number ? " class=\"" : "", number ? kind : "",
                 *kind && number ? "\"" : "", number, words);
}

static void add_head(struct nj_text *out, const struct nj_report_options *options, const struct nj_report_data *data)
{
    const struct nj_conf *conf = options->conf;
    bool                  one  = !strcmp(options->from, options->to);
    nj_text_add(out,
                "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
                "<title>");
    nj_text_add_html(out, conf->station.name);
    nj_text_addf(out, ", %s%s%s</title>\n<style>%s</style></head><body>\n<header><h1>", options->from, one ? "" : " to ",
                 one ? "" : options->to, style);
    nj_text_add_html(out, conf->station.name);
    nj_text_add(out, " <span class=\"soft\">");
    nj_text_add_html(out, conf->station.site);
    if (one)
        nj_text_addf(out, "</span></h1>\n<p>The night of %s, noon to noon.</p></header>\n<main>\n", options->from);
    else
        nj_text_addf(out, "</span></h1>\n<p>The nights from %s to %s.</p></header>\n<main>\n", options->from, options->to);
    nj_text_add(out, "<ul class=\"tiles\">\n");
    add_tile(out, "", data->sum.events, data->sum.events == 1 ? "event" : "events");
    add_tile(out, "", data->sum.animals, "with animals");
    add_tile(out, "", data->sum.blank, "empty");
    add_tile(out, "", (int64_t)data->species_count, "species");
    add_tile(out, "urgent", data->sum.to_review, "to review");
    add_tile(out, "", data->sum.waiting, "waiting to be read");
    add_tile(out, "urgent", data->sum.failed, "failed");
    add_tile(out, "", data->sum.rejected, "pictures left out");
    nj_text_add(out, "</ul>\n");
}

/* Bars of 24 hours: animals in colour, empty events in grey on top; the hours that count as night are shaded. */
/* The model's sentences, called so. */
static void add_words(struct nj_text *out, const json_t *words)
{
    static const struct {
        const char *key, *title;
    } parts[] = {{"observed", "Observed"}, {"measured", "Measured"}, {"inferred", "Inferred"}, {"uncertainty", "Uncertain"}};
    if (!words)
        return;
    nj_text_add(out, "<h2 id=\"words\">In words</h2>\n<p class=\"soft\">Written by the model. Every figure in it comes from the database; "
                     "what is said of a "
                     "figure may be wrong.</p>\n");
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const json_t *sentences = json_object_get(words, parts[i].key);
        if (!json_array_size(sentences))
            continue;
        nj_text_addf(out, "<h3>%s</h3>\n<ul>\n", parts[i].title);
        for (size_t k = 0; k < json_array_size(sentences); k++) {
            nj_text_add(out, "<li>");
            nj_text_add_html(out, json_string_value(json_array_get(sentences, k)));
            nj_text_add(out, "</li>\n");
        }
        nj_text_add(out, "</ul>\n");
    }
}

static void add_hours(struct nj_text *out, const struct nj_report_data *data)
{
    int64_t most = 1, animals = 0, at_night = 0;
    int     busiest = 0;
    for (int i = 0; i < 24; i++) {
        int64_t all = data->hour_animals[i] + data->hour_blank[i];
        most        = all > most ? all : most;
        animals += data->hour_animals[i];
        at_night += i < 6 || i >= 18 ? data->hour_animals[i] : 0;
        busiest = data->hour_animals[i] > data->hour_animals[busiest] ? i : busiest;
    }
    nj_text_add(out, "<h2 id=\"hours\">Activity by hour</h2>\n");
    nj_text_addf(
        out, "<svg viewBox=\"0 0 384 150\" role=\"img\" aria-labelledby=\"hours\" aria-describedby=\"hourwords\">\n"
             "<rect x=\"0\" y=\"0\" width=\"96\" height=\"128\" fill=\"var(--night)\"/><rect x=\"288\" y=\"0\" width=\"96\" height=\"128\""
             " fill=\"var(--night)\"/>\n");
    for (int i = 0; i < 24; i++) {
        double green = 110.0 * (double)data->hour_animals[i] / (double)most, grey = 110.0 * (double)data->hour_blank[i] / (double)most;
        if (green > 0)
            nj_text_addf(out, "<rect x=\"%d\" y=\"%.1f\" width=\"12\" height=\"%.1f\" fill=\"var(--green)\"/>", i * 16 + 2, 128 - green,
                         green);
        if (grey > 0)
            nj_text_addf(out, "<rect x=\"%d\" y=\"%.1f\" width=\"12\" height=\"%.1f\" fill=\"var(--blank)\"/>", i * 16 + 2,
                         128 - green - grey, grey);
        if (i % 3 == 0)
            nj_text_addf(out, "<text x=\"%d\" y=\"144\">%02d</text>", i * 16 + 1, i);
    }
    nj_text_addf(out,
                 "</svg>\n<p class=\"soft\" id=\"hourwords\">Events with animals (green) and empty ones (grey) by hour of the camera's "
                 "clock; %" PRId64 " of %" PRId64 " with animals between 18:00 and 06:00",
                 at_night, animals);
    if (data->hour_animals[busiest] > 2)
        nj_text_addf(out, ", most between %02d:00 and %02d:00", busiest, (busiest + 1) % 24);
    nj_text_add(out, ".");
    if (data->no_time)
        nj_text_addf(out, " %" PRId64 " without a time are not in it.", data->no_time);
    if (data->corrected_clocks)
        nj_text_addf(out, " The clock was put right for %" PRId64 " of them.", data->corrected_clocks);
    nj_text_add(out, "</p>\n");
}

static void add_species(struct nj_text *out, const struct nj_report_data *data)
{
    nj_text_add(out, "<h2>Species</h2>\n");
    if (!data->species_count) {
        nj_text_add(out, "<p>None were seen.</p>\n");
        return;
    }
    nj_text_add(
        out,
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Species\"><table><caption>Individuals: the sum over events, at "
        "least; the same animal may come again.</caption>\n"
        "<thead><tr><th scope=\"col\">Species</th><th scope=\"col\" class=\"n\">Events</th><th scope=\"col\" class=\"n\">Individuals</th>"
        "<th scope=\"col\" class=\"n\">Young</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < data->species_count; i++) {
        nj_text_add(out, "<tr><th scope=\"row\">");
        nj_text_add_html(out, data->species[i].name);
        nj_text_addf(out, "</th><td class=\"n\">%" PRId64 "</td><td class=\"n\">%" PRId64 "</td><td class=\"n\">%" PRId64 "</td></tr>\n",
                     data->species[i].events, data->species[i].individuals, data->species[i].young);
    }
    nj_text_add(out, "</tbody></table></div>\n");
}

/* ---- review cards ---- */

static bool add_picture(struct nj_text *out, struct nj_worker *worker, const struct nj_report_card *card)
{
    struct nj_picture picture = {0};
    uint8_t          *jpeg    = NULL;
    size_t            size    = 0;
    bool              done    = false;
    if (worker && nj_thumbnail(worker, card->place, THUMBNAIL_SIDE, &picture, NULL) == NJ_OK &&
        nj_thumbnail_jpeg(&picture, THUMBNAIL_QUALITY, &jpeg, &size, NULL) == NJ_OK) {
        char *letters = malloc(BASE64_ENCODE_RAW_LENGTH(size));
        if (letters) {
            base64_encode_raw(letters, size, jpeg);
            nj_text_addf(out, "<img width=\"%u\" height=\"%u\" alt=\"First picture of the event: ", picture.width, picture.height);
            nj_text_add_html(out, *card->seen ? card->seen : "nothing seen");
            nj_text_add(out, "\" src=\"data:image/jpeg;base64,");
            nj_text_add_bytes(out, letters, BASE64_ENCODE_RAW_LENGTH(size));
            nj_text_add(out, "\">");
            free(letters);
            done = true;
        }
    }
    free(jpeg);
    nj_picture_free(&picture);
    return done;
}

static void add_card_words(struct nj_text *out, const struct nj_report_card *card)
{
    nj_text_addf(out, "<h3>");
    nj_text_add_html(out, *card->seen ? card->seen : "Nothing seen");
    nj_text_addf(out, "</h3><p class=\"%s\">", !strcmp(card->priority, "high") ? "high" : "medium");
    nj_text_add_html(out, card->reasons);
    nj_text_add(out, "</p><p class=\"soft\">");
    nj_text_addf(out, *card->time ? "%.10s %s" : "time not known", card->time, card->time + (*card->time ? 11 : 0));
    nj_text_addf(out, "</p><p><code>%s</code></p>", card->id);
}

static void add_review(struct nj_text *out, const struct nj_report_data *data)
{
    struct nj_worker *worker   = NULL;
    size_t            pictures = data->card_count < NJ_REPORT_PICTURES ? data->card_count : NJ_REPORT_PICTURES;
    int64_t           missing  = 0;
    nj_text_add(out, "<h2>To review</h2>\n");
    if (data->people_left_out)
        nj_text_addf(out, "<p>%" PRId64 " event%s may show people and %s left out.</p>\n", data->people_left_out,
                     data->people_left_out == 1 ? "" : "s", data->people_left_out == 1 ? "is" : "are");
    if (!data->card_count) {
        nj_text_add(out, "<p>Nothing is waiting for a person's eyes.</p>\n");
        return;
    }
    nj_text_add(out, "<p class=\"soft\">On the station: <code>nightjar review accept ID</code> or <code>nightjar review correct ID "
                     "species=…</code></p>\n"
                     "<ul class=\"cards\">\n");
    if (nj_worker_open(NULL, &worker, NULL) != NJ_OK)
        worker = NULL;
    for (size_t i = 0; i < pictures; i++) {
        nj_text_add(out, "<li>");
        missing += !add_picture(out, worker, &data->cards[i]);
        nj_text_add(out, "<div>");
        add_card_words(out, &data->cards[i]);
        nj_text_add(out, "</div></li>\n");
    }
    nj_worker_close(worker);
    nj_text_add(out, "</ul>\n");
    if (missing)
        nj_text_addf(
            out, "<p class=\"soft\">%" PRId64 " picture%s could not be shown: the card is not in its place, or the file was changed.</p>\n",
            missing, missing == 1 ? "" : "s");
    if (data->card_count > pictures) {
        nj_text_add(out, "<h3>And these, without pictures</h3><div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Events to "
                         "review without pictures\"><table><thead><tr><th scope=\"col\">Event</th><th "
                         "scope=\"col\">Day</th><th scope=\"col\">Seen</th><th scope=\"col\">Why</th></tr></thead><tbody>\n");
        for (size_t i = pictures; i < data->card_count; i++) {
            nj_text_addf(out, "<tr><td><code>%s</code></td><td>%.10s</td><td>", data->cards[i].id, data->cards[i].time);
            nj_text_add_html(out, data->cards[i].seen);
            nj_text_add(out, "</td><td>");
            nj_text_add_html(out, data->cards[i].reasons);
            nj_text_add(out, "</td></tr>\n");
        }
        nj_text_add(out, "</tbody></table></div>\n");
    }
    if (data->cards_left_out)
        nj_text_addf(out, "<p>%" PRId64 " more are in the queue: <code>nightjar review</code> lists them all.</p>\n", data->cards_left_out);
}

/* ---- power, nights, trouble ---- */

/* The lowest charge of each stretch of the time, so that a short dip is not smoothed away. */
static void add_battery(struct nj_text *out, const struct nj_report_data *data)
{
    size_t step = (data->battery_count + CHART_POINTS - 1) / CHART_POINTS, drawn = 0;
    double low = data->sum.battery_low;
    if (!step || isnan(low)) {
        nj_text_add(out, "<p>The battery was not measured.</p>\n");
        return;
    }
    nj_text_addf(out,
                 "<svg viewBox=\"0 0 384 120\" role=\"img\" aria-label=\"Charge of the battery over time, lowest %.0f %%\">\n"
                 "<text x=\"2\" y=\"12\">100 %%</text><text x=\"2\" y=\"116\">0 %%</text><path fill=\"none\" stroke=\"var(--green)\" "
                 "stroke-width=\"2\" d=\"",
                 low);
    for (size_t i = 0; i < data->battery_count; i += step) {
        float least = NAN;
        for (size_t j = i; j < i + step && j < data->battery_count; j++)
            least = fminf(least, data->battery[j]);
        if (!isnan(least))
            nj_text_addf(out, "%s%.1f %.1f", drawn++ ? "L" : "M", 384.0 * (double)i / (double)data->battery_count,
                         120 - 1.2 * (double)least);
    }
    nj_text_addf(out, "\"/></svg>\n<p>Lowest charge %.0f %%.</p>\n", low);
}

static void add_power(struct nj_text *out, const struct nj_report_data *data)
{
    int64_t read = data->sum.blank + data->sum.animals;
    nj_text_add(out, "<h2>Power and health</h2>\n");
    add_battery(out, data);
    if (!isnan(data->temp_max))
        nj_text_addf(out, "<p>Warmest %.0f degrees.</p>\n", data->temp_max);
    if (read)
        nj_text_addf(out, "<p>%.2f Wh and %.0f minutes were spent on reading, %.3f Wh an event.</p>\n", data->sum.energy_wh,
                     data->seconds / 60, data->sum.energy_wh / (double)read);
    const struct nj_text *said[] = {&data->power.cost, &data->power.stages, &data->power.autonomy};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        if (said[i]->length) {
            nj_text_add(out, "<p>");
            nj_text_add_html(out, said[i]->data);
            nj_text_add(out, "</p>\n");
        }
    nj_text_addf(out, "<p>%" PRId64 " pictures came in, %" PRId64 " could not be used.</p>\n", data->sum.files, data->sum.rejected);
}

static void add_nights(struct nj_text *out, const struct nj_report_data *data)
{
    if (data->night_count < 2)
        return;
    nj_text_add(
        out, "<h2>Nights</h2>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Nights\"><table><thead><tr><th "
             "scope=\"col\">Night</th><th scope=\"col\" class=\"n\">Events</th>"
             "<th scope=\"col\" class=\"n\">Animals</th><th scope=\"col\" class=\"n\">Empty</th><th scope=\"col\" class=\"n\">Waiting</th>"
             "<th scope=\"col\" class=\"n\">Failed</th><th scope=\"col\" class=\"n\">To review</th><th scope=\"col\" class=\"n\">Wh</th>"
             "<th scope=\"col\" class=\"n\">Lowest charge</th></tr></thead><tbody>\n");
    size_t first = data->night_count > NJ_REPORT_ROWS ? data->night_count - NJ_REPORT_ROWS : 0;
    for (size_t i = first; i < data->night_count; i++) {
        const struct nj_report_night *night = &data->nights[i];
        nj_text_addf(out, "<tr><th scope=\"row\">%s</th>", night->night);
        const int64_t numbers[] = {night->events, night->animals, night->blank, night->waiting, night->failed, night->to_review};
        for (size_t j = 0; j < sizeof numbers / sizeof numbers[0]; j++)
            nj_text_addf(out, "<td class=\"n\">%" PRId64 "</td>", numbers[j]);
        nj_text_addf(out, "<td class=\"n\">%.2f</td><td class=\"n\">", night->energy_wh);
        if (!isnan(night->battery_low))
            nj_text_addf(out, "%.0f %%", night->battery_low);
        nj_text_add(out, "</td></tr>\n");
    }
    nj_text_add(out, "</tbody></table></div>\n");
    if (first)
        nj_text_addf(out, "<p>%zu earlier nights are not listed.</p>\n", first);
}

static void add_troubles(struct nj_text *out, const struct nj_report_data *data)
{
    if (!data->trouble_count)
        return;
    nj_text_add(out, "<h2>What was not read, and why</h2>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"What was not "
                     "read\"><table><thead><tr><th scope=\"col\">Why</th>"
                     "<th scope=\"col\" class=\"n\">Times</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < data->trouble_count; i++) {
        nj_text_add(out, "<tr><td class=\"break\">");
        nj_text_add_html(out, data->troubles[i].what);
        nj_text_addf(out, "</td><td class=\"n\">%" PRId64 "</td></tr>\n", data->troubles[i].count);
    }
    nj_text_add(out, "</tbody></table></div>\n");
    if (data->troubles_left_out)
        nj_text_addf(out, "<p>%" PRId64 " more are not listed.</p>\n", data->troubles_left_out);
}

nj_status nj_report_write(struct nj_db *db, const struct nj_report_options *options, struct nj_text *out, struct nj_error *error)
{
    struct nj_report_data data;
    char                  made[NJ_TIME_TEXT];
    nj_status             status = nj_report_gather(db, options, &data, error);
    if (status == NJ_OK) {
        add_head(out, options, &data);
        add_words(out, options->words);
        add_hours(out, &data);
        add_species(out, &data);
        add_review(out, &data);
        add_nights(out, &data);
        add_power(out, &data);
        add_troubles(out, &data);
        nj_time_utc(options->now_ms, made);
        nj_text_addf(
            out,
            "</main>\n<footer class=\"soft\"><p>Made %s by Nightjar %s. Times are those of the camera. What the model saw is a first"
            " reading: no event here means that none was read, not that no animal was there.</p></footer>\n</body></html>\n",
            made, NJ_VERSION);
        if (out->failed)
            status = nj_fail(error, "no memory for the report; ask for fewer nights");
    }
    nj_report_data_free(&data);
    return status;
}
