/* examine.h: is this file a picture that can be used, and what does it look like from afar?
 *
 * The rule, the same wherever a picture is judged: a picture is used if libjpeg-turbo reads it to its last line and its end marker from data of its
 * own. Then djpeg exits with 0, or complains of nothing but bytes between segments and odd version flags, which lose no picture: such a picture is
 * used with a note. A picture of which data are missing or damaged (cut off, bad codes, lost restart markers) is refused, although libjpeg would
 * fill the rest with grey: an animal in the grey part would be called absent. More than NJ_PICTURE_MAX_PIXELS pixels are refused before memory is
 * asked for, more passes than cameras write before they cost time.
 *
 * Runs in the picture process (worker.h). */
#ifndef NJ_PICTURE_EXAMINE_H
#define NJ_PICTURE_EXAMINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NJ_EXAMINE_TEXT 200

/* The long side of the small picture is below 2 × NJ_SMALL_SIDE: the decoder itself scales by 1, 1/2, 1/4 or 1/8, which costs next to nothing. For
 * pictures above 8 × that it is larger. */
#define NJ_SMALL_SIDE       256
#define NJ_SMALL_MAX_PIXELS (4u << 20)

struct nj_examination {
    bool     usable;
    char     words[NJ_EXAMINE_TEXT];    /* why not; of a usable picture what is odd about it, or "" */
    uint32_t small_width, small_height; /* of the luma picture; 0, 0 if there is none */
};

/* Judges `size` bytes and writes the picture's brightness, scaled down, as stored (not turned), to luma[small_height][small_width].
 *   luma       [NJ_SMALL_MAX_PIXELS]; a picture whose small form would not fit has none. NULL: not wanted */
void nj_examine(const uint8_t *jpeg, size_t size, uint8_t *luma, struct nj_examination *out);

#endif
