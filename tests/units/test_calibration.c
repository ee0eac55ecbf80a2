/* Calibration tables against isotonic regressions worked out by hand. */
#include "base/file.h"
#include "pipeline/sentinel/calibration.h"
#include "tests/tap.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

static void check_fit(void)
{
    /* 0.1 no, 0.2 yes, 0.3 no, 0.4 no, 0.6 yes, 0.8 no, 0.9 yes: pools {0.1}, {0.2 0.3 0.4} at 1/3, {0.6 0.8} at 1/2, {0.9}. */
    struct nj_outcome     outcomes[] = {{0.9, true}, {0.3, false}, {0.1, false}, {0.6, true}, {0.2, true}, {0.8, false}, {0.4, false}};
    struct nj_calibration table;
    struct nj_error       error  = {0};
    nj_status             status = nj_calibration_fit(outcomes, 7, &table, &error);
    CHECK(status == NJ_OK && table.count == 4 && table.events == 7, "%zu steps %s", table.count, error.text);
    CHECK(near(table.share[1], 1.0 / 3) && near(table.stated[1], 0.3), "violators are pooled: %f at %f", table.share[1], table.stated[1]);
    CHECK(near(table.share[2], 0.5) && near(table.stated[2], 0.7), "and the next: %f at %f", table.share[2], table.stated[2]);
    CHECK(near(table.share[0], 1.0 / 9) && near(table.share[3], 8.0 / 9), "seven events show neither never nor always");
    CHECK(near(nj_calibration_apply(&table, 0.5), (1.0 / 3 + 0.5) / 2), "straight lines between the steps");
    CHECK(near(nj_calibration_apply(&table, 0), 1.0 / 9) && near(nj_calibration_apply(&table, 1), 8.0 / 9), "level outside");
    double last  = 0;
    bool   rises = true;
    for (int i = 0; i <= 1000; i++) {
        double p = nj_calibration_apply(&table, i / 1000.0);
        rises    = rises && p >= last;
        last     = p;
    }
    CHECK(rises, "never falls");
    CHECK(nj_calibration_fit(outcomes, 1, &table, &error) != NJ_OK && strstr(error.text, "too few"), "one event is too few: %s",
          error.text);
    CHECK(near(nj_calibration_apply(NULL, 0.42), 0.42), "without a table as stated");
}

static void check_error(void)
{
    /* Stated 0.9 and right in 6 of 10, stated 0.3 and right in 3 of 10: (10 * 0.3 + 10 * 0) / 20. */
    struct nj_outcome outcomes[20];
    for (int i = 0; i < 20; i++)
        outcomes[i] = i < 10 ? (struct nj_outcome){0.9, i < 6} : (struct nj_outcome){0.3, i < 13};
    CHECK(near(nj_calibration_error(NULL, outcomes, 20), 0.15), "error as stated: %f", nj_calibration_error(NULL, outcomes, 20));
    struct nj_calibration table;
    nj_calibration_fit(outcomes, 20, &table, NULL);
    CHECK(near(nj_calibration_error(&table, outcomes, 20), 0), "none on the events it was fitted on: %f",
          nj_calibration_error(&table, outcomes, 20));
    CHECK(isnan(nj_calibration_error(NULL, outcomes, 0)), "none of nothing");
    /* Overconfident throughout: stated 0.99, right every other time. */
    struct nj_outcome sure[100];
    double            crossed = -1;
    for (int i = 0; i < 100; i++)
        sure[i] = (struct nj_outcome){0.99, i % 2 == 0};
    CHECK(nj_calibration_cross_error(sure, 100, &crossed, NULL) == NJ_OK && crossed < 0.03 && nj_calibration_error(NULL, sure, 100) > 0.4,
          "unseen events gain, too: %f", crossed);
}

static void check_file(void)
{
    char                  path[] = "/tmp/calibration_XXXXXX";
    struct nj_error       error  = {0};
    int                   fd     = mkstemp(path);
    struct nj_calibration table  = {.events = 3, .count = 2, .stated = {0.25, 0.5}, .share = {0.125, 0.75}}, back;
    close(fd);
    CHECK(nj_calibration_write(path, &table, &error) == NJ_OK && nj_calibration_read(path, &back, &error) == NJ_OK, "written, read %s",
          error.text);
    CHECK(back.count == 2 && back.events == 3 && near(back.share[1], 0.75) && near(back.stated[0], 0.25), "the same");
    static const char *const bad[] = {"",
                                      "{}",
                                      "{\"format\":\"nightjar calibration 1\",\"events\":9,\"points\":[]}",
                                      "{\"format\":\"nightjar calibration 1\",\"events\":9,\"points\":[[0.5,0.5],[0.6,0.4]]}",
                                      "{\"format\":\"nightjar calibration 1\",\"events\":9,\"points\":[[0.5,1.5]]}",
                                      "{\"format\":\"nightjar calibration 1\",\"events\":9,\"points\":[[0.5]]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nj_file_write_atomic(path, bad[i], strlen(bad[i]), NULL);
        CHECK(nj_calibration_read(path, &back, &error) != NJ_OK && back.count == 0 && strstr(error.text, path), "refused: %s", error.text);
    }
    unlink(path);
    CHECK(nj_calibration_read(path, &back, &error) == NJ_OK && back.count == 0, "no file, no table");
}

int main(void)
{
    check_fit();
    check_error();
    check_file();
    return tap_done();
}
