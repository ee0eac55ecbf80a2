#include "pipeline/cli/login.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

const char *nj_login(const char *by)
{
    const char    *sudo = getenv("SUDO_USER");
    struct passwd *user = getpwuid(getuid());
    return by ? by : sudo && *sudo ? sudo : user ? user->pw_name : "unknown";
}
