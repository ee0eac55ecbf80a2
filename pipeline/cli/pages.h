/* pages.h: the manual pages and the completion of bash, written from the tables that `help` prints, so that they cannot disagree with the program.
 * `nightjar help --man`, `--man-conf` and `--completion` print them; `make install` puts them in their places. */
#ifndef NJ_CLI_PAGES_H
#define NJ_CLI_PAGES_H

void nj_page_man(void);        /* nightjar(1), roff */
void nj_page_man_conf(void);   /* nightjar.conf(5), roff */
void nj_page_completion(void); /* bash */

#endif
