/* What the first score must not be fooled by: exposure, noise, a camera that shakes, the printed time, grass; and what it must see. */
#include "pipeline/schedule/triage.h"
#include "tests/tap.h"

#include <math.h>

#define WIDE 256
#define TALL 192

static uint32_t state = 7;

static double noise(double amount)
{
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        state = state * 1664525 + 1013904223;
        sum += (double)(state >> 8) / (1 << 24) - 0.5;
    }
    return sum * amount;
}

struct scene {
    double gain, offset, noise;
    int    shift, stamp, animal_x, animal_y; /* animal_x < 0: none */
    double sway;                             /* of the grass, pixels */
    bool   colour;
};

static struct nj_view shoot(const struct scene *scene)
{
    static uint8_t        rgb[WIDE * TALL * 3];
    static struct nj_view view;
    for (int y = 0; y < TALL; y++)
        for (int x = 0; x < WIDE; x++) {
            int    u     = x + scene->shift;
            double light = 90 + 40 * sin(u / 37.0) * cos(y / 23.0) + (y > TALL / 2 ? 25 * sin((u + scene->sway * sin(y / 3.0)) * 0.9) : 0);
            int    dx = x - scene->animal_x, dy = y - scene->animal_y;
            if (scene->animal_x >= 0 && dx * dx + 2 * dy * dy < 200)
                light = 30;
            light = light * scene->gain + scene->offset + noise(scene->noise);
            if (y > TALL * 0.94)
                light = (x / 9 * 7 + scene->stamp) % 5 > 2 ? 255 : 0;
            for (int c = 0; c < 3; c++)
                rgb[3 * (y * WIDE + x) + c] = (uint8_t)fmin(fmax(light + (scene->colour ? 20 * (c - 1) : 0), 0), 255);
        }
    nj_view_make(&(struct nj_picture){.rgb = rgb, .width = WIDE, .height = TALL}, &view);
    return view;
}

static struct nj_triage judge(struct scene a, struct scene b, struct nj_background *background)
{
    static struct nj_view views[2];
    struct nj_triage      out;
    views[0] = shoot(&a);
    views[1] = shoot(&b);
    CHECK(nj_triage_burst(views, 2, background, &out, NULL) == NJ_OK, "a burst is judged");
    return out;
}

int main(void)
{
    static struct nj_background background, fresh;
    const struct scene          plain = {.gain = 1, .noise = 4, .animal_x = -1, .colour = true};
    struct scene                other = plain;
    double                      still = judge(plain, other, NULL).interest;
    CHECK(still < 0.4, "nothing moves: %.2f", still);

    other          = plain;
    other.animal_x = 90;
    other.animal_y = 60;
    double animal  = judge(plain, other, NULL).interest;
    CHECK(animal > 0.7, "an animal comes: %.2f", animal);

    other        = plain;
    other.gain   = 1.25;
    other.offset = 12;
    other.stamp  = 2;
    CHECK(judge(plain, other, NULL).interest < 0.45, "another exposure and another second printed are nothing");
    other.animal_x = 90;
    other.animal_y = 60;
    CHECK(judge(plain, other, NULL).interest > 0.65, "an animal under another exposure is something");

    other       = plain;
    other.shift = 2;
    CHECK(judge(plain, other, NULL).interest < 0.5, "a camera that shakes is nothing: %.2f", judge(plain, other, NULL).interest);
    other      = plain;
    other.sway = 0.8;
    CHECK(judge(plain, other, NULL).interest < 0.5, "grass in the wind is nothing: %.2f", judge(plain, other, NULL).interest);

    struct scene dark = {.gain = 0.5, .noise = 12, .animal_x = -1}, grey = dark;
    grey.animal_x = 150;
    grey.animal_y = 100;
    CHECK(judge(dark, dark, NULL).interest < 0.5, "infrared noise is nothing: %.2f", judge(dark, dark, NULL).interest);
    CHECK(judge(dark, grey, NULL).interest > judge(dark, dark, NULL).interest + 0.1, "an animal in it is something");

    for (int i = 0; i < 6; i++)
        judge(plain, plain, &background);
    other          = plain;
    other.animal_x = 90;
    other.animal_y = 60;
    double resting = judge(other, other, NULL).interest;
    double known   = judge(other, other, &background).interest;
    CHECK(resting < 0.45 && known > 0.7, "an animal that stands still shows against the usual view: %.2f, then %.2f", resting, known);
    background.version = 99;
    CHECK(isnan(judge(other, other, &background).background) && background.seen == 1, "a background of another form is begun again");
    fresh.version = 1;
    fresh.width   = 60000;
    CHECK(isnan(judge(other, other, &fresh).background) && fresh.width == 128, "and so is a damaged one");

    struct nj_view   small[1];
    struct nj_triage out;
    static uint8_t   dot[3] = {0, 40, 90};
    nj_view_make(&(struct nj_picture){.rgb = dot, .width = 1, .height = 1}, &small[0]);
    CHECK(nj_triage_burst(small, 1, NULL, &out, NULL) == NJ_OK && out.interest == 0.5, "one picture alone says nothing: %.2f",
          out.interest);
    return tap_done();
}
