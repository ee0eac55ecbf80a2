#include "pipeline/uplink/transport.h"
#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <mosquitto.h>

#define ANSWER_MS 10000
#define BROKER_MS 30000
#define MQTT_PORT 1883

struct nj_transport {
    const struct nj_conf *conf;
    nj_status (*send)(struct nj_transport *transport, const uint8_t *bytes, size_t size, struct nj_error *error);
    bool              packed;
    unsigned          number; /* directory: messages of this run */
    int               tty;    /* serial; -1 */
    struct mosquitto *broker; /* mqtt */
    int               acknowledged;
    char              topic[NJ_CONF_TEXT + 80];
    char              far[NJ_CONF_TEXT + 256]; /* nj_transport_where */
};

static nj_status send_to_directory(struct nj_transport *transport, const uint8_t *bytes, size_t size, struct nj_error *error)
{
    const struct nj_clock *clock = nj_clock_system();
    char                   name[128], path[sizeof transport->far + sizeof name];
    snprintf(name, sizeof name, "NJ-%.63s-%" PRId64 "-%u.nju", transport->conf->uplink.station_id, clock->wall_ms(clock->self),
             transport->number++);
    for (char *c = name; *c; c++)
        if (*c == '/')
            *c = '_';
    if (!nj_path_join(path, sizeof path, transport->far, name))
        return nj_fail(error, "%s: the path is too long", transport->far);
    nj_status status = nj_make_folders(transport->far, error);
    return status == NJ_OK ? nj_file_write_atomic(path, bytes, size, error) : status;
}

/* The first line of what a modem said, in place, with nothing that a terminal would obey. */
static const char *visible(char *answer)
{
    answer[strcspn(answer, "\r\n")] = 0;
    for (char *c = answer; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    return answer;
}

static nj_status send_to_serial(struct nj_transport *transport, const uint8_t *bytes, size_t size, struct nj_error *error)
{
    char line[256] = "NJ ", answer[64];
    if (2 * size + 5 > sizeof line)
        return nj_fail(error, "%s: %zu bytes are too many for one radio message", transport->far, size);
    for (size_t i = 0; i < size; i++)
        snprintf(line + 3 + 2 * i, 4, "%02x\n", bytes[i]);
    size_t length = strlen(line), have = 0;
    tcflush(transport->tty, TCIFLUSH);
    if (write(transport->tty, line, length) != (ssize_t)length)
        return nj_fail_errno(error, errno, "%s: cannot be written", transport->far);
    const struct nj_clock *clock = nj_clock_system();
    for (int64_t until = clock->monotonic_ms(clock->self) + ANSWER_MS; have + 1 < sizeof answer;) {
        int64_t       left = until - clock->monotonic_ms(clock->self);
        struct pollfd wait = {.fd = transport->tty, .events = POLLIN};
        if (left <= 0 || poll(&wait, 1, (int)left) <= 0)
            break;
        ssize_t got = read(transport->tty, answer + have, sizeof answer - 1 - have);
        if (got <= 0)
            break;
        have += (size_t)got;
        answer[have] = 0;
        if (strstr(answer, "OK"))
            return NJ_OK;
        if (strstr(answer, "ERR") || strstr(answer, "NO"))
            return nj_fail(error, "%s: the modem refused: %s", transport->far, visible(answer));
    }
    return nj_fail(error, "%s: the modem did not answer OK within %d s", transport->far, ANSWER_MS / 1000);
}

static nj_status open_serial(struct nj_transport *transport, struct nj_error *error)
{
    transport->tty = open(transport->far, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (transport->tty < 0) {
        nj_fail_errno(error, errno, "%s: the radio modem cannot be opened", transport->far);
        return NJ_STOPPED;
    }
    struct termios line;
    if (tcgetattr(transport->tty, &line) == 0) {
        cfmakeraw(&line);
        cfsetspeed(&line, B9600);
        line.c_cflag |= CLOCAL | CREAD;
        tcsetattr(transport->tty, TCSANOW, &line);
    }
    transport->packed = true;
    transport->send   = send_to_serial;
    return NJ_OK;
}

static void on_publish(struct mosquitto *broker, void *user, int message)
{
    (void)broker;
    ((struct nj_transport *)user)->acknowledged = message;
}

static nj_status send_to_broker(struct nj_transport *transport, const uint8_t *bytes, size_t size, struct nj_error *error)
{
    int message = 0, result = mosquitto_publish(transport->broker, &message, transport->topic, (int)size, bytes, 1, false);
    transport->acknowledged      = -1;
    const struct nj_clock *clock = nj_clock_system();
    int64_t                until = clock->monotonic_ms(clock->self) + BROKER_MS;
    while (result == MOSQ_ERR_SUCCESS && transport->acknowledged != message) {
        result = mosquitto_loop(transport->broker, 200, 1);
        if (clock->monotonic_ms(clock->self) > until)
            return nj_fail(error, "%s: no acknowledgement within %d s", transport->far, BROKER_MS / 1000);
    }
    return result == MOSQ_ERR_SUCCESS ? NJ_OK : nj_fail(error, "%s: %s", transport->far, mosquitto_strerror(result));
}

/* mqtt://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC into its parts, each ended by a zero byte in `place`. */
struct broker_place {
    char  text[NJ_CONF_TEXT];
    char *user, *password, *host, *topic; /* user, password: NULL if none */
    int   port;
};

static nj_status parse_place(const char *target, struct broker_place *place, struct nj_error *error)
{
    static const char expected[] = "uplink.target: mqtt://HOST:PORT/TOPIC is expected";
    char             *end, *port;
    *place = (struct broker_place){.port = MQTT_PORT};
    if (strncmp(target, "mqtt://", 7))
        return nj_fail(error, "%s, not %s", expected, target);
    snprintf(place->text, sizeof place->text, "%s", target + 7);
    place->topic = strchr(place->text, '/');
    if (!place->topic || !place->topic[1])
        return nj_fail(error, "%s: the topic is missing", expected);
    *place->topic++ = 0;
    if (strpbrk(place->topic, "+#"))
        return nj_fail(error, "uplink.target: %s: + and # cannot stand in a topic that is written to", place->topic);
    place->host = strrchr(place->text, '@');
    if (place->host) {
        *place->host++  = 0;
        place->user     = place->text;
        place->password = strchr(place->text, ':');
        if (place->password)
            *place->password++ = 0;
    } else
        place->host = place->text;
    port = strrchr(place->host, ':');
    if (port) {
        *port++          = 0;
        long port_number = strtol(port, &end, 10);
        if (*end || end == port || port_number < 1 || port_number > 65535)
            return nj_fail(error, "uplink.target: %s: a port is a number from 1 to 65535", port);
        place->port = (int)port_number;
    }
    return *place->host ? NJ_OK : nj_fail(error, "%s: the host is missing", expected);
}

nj_status nj_transport_where(const struct nj_conf *conf, char *out, size_t size, struct nj_error *error)
{
    struct broker_place place;
    const char         *target = conf->uplink.target;
    if (!*target)
        return nj_fail(error, "uplink.target is empty: say where transport %s leads", conf->uplink.transport);
    if (!strcmp(conf->uplink.transport, "mqtt")) {
        nj_status status = parse_place(target, &place, error);
        if (status == NJ_OK)
            snprintf(out, size, "broker %s port %d", place.host, place.port);
        return status;
    }
    bool serial = !strcmp(conf->uplink.transport, "serial");
    return (serial ? nj_sysroot_path : nj_conf_place)(out, size, target) ? NJ_OK : nj_fail(error, "%s: the path is too long", target);
}

static nj_status open_broker(struct nj_transport *transport, struct nj_error *error)
{
    struct broker_place place;
    nj_status           status = parse_place(transport->conf->uplink.target, &place, error);
    if (status != NJ_OK)
        return status;
    snprintf(transport->topic, sizeof transport->topic, "%s/%s", place.topic, transport->conf->uplink.station_id);
    mosquitto_lib_init();
    transport->broker = mosquitto_new(NULL, true, transport);
    if (!transport->broker)
        return nj_fail(error, "no memory for a connection to %s", transport->far);
    mosquitto_publish_callback_set(transport->broker, on_publish);
    int result = mosquitto_username_pw_set(transport->broker, place.user, place.password);
    if (result == MOSQ_ERR_SUCCESS)
        result = mosquitto_connect(transport->broker, place.host, place.port, 60);
    if (result == MOSQ_ERR_EAI)
        return nj_fail_as(NJ_STOPPED, error, "%s: no such host is known; is the name in uplink.target right, and the network up?",
                          transport->far);
    if (result != MOSQ_ERR_SUCCESS)
        return nj_fail_as(NJ_STOPPED, error, "%s: no connection: %s", transport->far,
                          result == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(result));
    transport->send = send_to_broker;
    return NJ_OK;
}

nj_status nj_transport_open(const struct nj_conf *conf, struct nj_transport **out, struct nj_error *error)
{
    *out = NULL;
    if (!strcmp(conf->uplink.transport, "none"))
        return nj_fail_as(NJ_NOT_FOUND, error,
                          "uplink.transport is none: nothing leaves this station; set it to directory, mqtt or serial");
    struct nj_transport *transport = calloc(1, sizeof *transport);
    if (!transport)
        return nj_fail(error, "no memory for a transport");
    *transport       = (struct nj_transport){.conf = conf, .tty = -1, .send = send_to_directory};
    nj_status status = nj_transport_where(conf, transport->far, sizeof transport->far, error);
    if (status == NJ_OK && !strcmp(conf->uplink.transport, "mqtt"))
        status = open_broker(transport, error);
    else if (status == NJ_OK && !strcmp(conf->uplink.transport, "serial"))
        status = open_serial(transport, error);
    if (status != NJ_OK) {
        nj_transport_close(transport);
        return status;
    }
    *out = transport;
    return NJ_OK;
}

void nj_transport_close(struct nj_transport *transport)
{
    if (!transport)
        return;
    if (transport->tty >= 0)
        close(transport->tty);
    if (transport->broker) {
        mosquitto_disconnect(transport->broker);
        mosquitto_destroy(transport->broker);
        mosquitto_lib_cleanup();
    }
    free(transport);
}

bool nj_transport_packed(const struct nj_transport *transport)
{
    return transport->packed;
}

nj_status nj_transport_send(struct nj_transport *transport, const uint8_t *bytes, size_t size, struct nj_error *error)
{
    return transport->send(transport, bytes, size, error);
}
