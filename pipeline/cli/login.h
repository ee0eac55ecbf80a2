/* login.h: who speaks. */
#ifndef NJ_CLI_LOGIN_H
#define NJ_CLI_LOGIN_H

/* `by` if given, else the name of the login (that of the person behind sudo). Borrowed; valid until the next call. */
const char *nj_login(const char *by);

#endif
