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
};

static nj_status send_to_directory(struct nj_transport *transport, const uint8_t *bytes, size_t size, struct nj_error *error)
{
    const struct nj_clock *clock = nj_clock_system();
    char                   name[128], path[NJ_CONF_TEXT + 160];
    snprintf(name, sizeof name, "NJ-%.63s-%" PRId64 "-%u.nju", transport->conf->uplink.station_id, clock->wall_ms(clock->self),
             transport->number++);
    for (char *c = name; *c; c++)
        if (*c == '/')
            *c = '_';
    nj_status status = nj_make_folders(transport->conf->uplink.target, error);
    if (status == NJ_OK && !nj_path_join(path, sizeof path, transport->conf->uplink.target, name))
        status = nj_fail(error, "%s: the path is too long", transport->conf->uplink.target);
    return status == NJ_OK ? nj_file_write_atomic(path, bytes, size, error) : status;
}

static nj_status send_to_serial(struct nj_transport *transport, const uint8_t *bytes, size_t size, struct nj_error *error)
{
    char line[256] = "NJ ", answer[64];
    if (2 * size + 5 > sizeof line)
        return nj_fail(error, "%s: %zu bytes are too many for one radio message", transport->conf->uplink.target, size);
    for (size_t i = 0; i < size; i++)
        snprintf(line + 3 + 2 * i, 4, "%02x\n", bytes[i]);
    size_t length = strlen(line), have = 0;
    tcflush(transport->tty, TCIFLUSH);
    if (write(transport->tty, line, length) != (ssize_t)length)
        return nj_fail_errno(error, errno, "%s: cannot be written", transport->conf->uplink.target);
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
    }
    return nj_fail(error, "%s: the modem did not answer OK within %d s", transport->conf->uplink.target, ANSWER_MS / 1000);
}

static nj_status open_serial(struct nj_transport *transport, struct nj_error *error)
{
    char path[NJ_CONF_TEXT + 256];
    if (!nj_sysroot_path(path, sizeof path, transport->conf->uplink.target))
        return nj_fail(error, "%s: the path is too long", transport->conf->uplink.target);
    transport->tty = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (transport->tty < 0)
        return nj_fail_errno(error, errno, "%s: the radio modem cannot be opened", path);
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
            return nj_fail(error, "%s: the broker did not acknowledge within %d s", transport->conf->uplink.target, BROKER_MS / 1000);
    }
    return result == MOSQ_ERR_SUCCESS ? NJ_OK : nj_fail(error, "%s: %s", transport->conf->uplink.target, mosquitto_strerror(result));
}

static nj_status open_broker(struct nj_transport *transport, struct nj_error *error)
{
    char        host[256], *end;
    const char *target = transport->conf->uplink.target, *at = target, *slash;
    long        port = MQTT_PORT;
    if (strncmp(at, "mqtt://", 7))
        return nj_fail(error, "uplink.target = %s: mqtt://HOST:PORT/TOPIC is expected", target);
    at += 7;
    slash         = strchr(at, '/');
    size_t length = strcspn(at, ":/");
    if (!slash || length == 0 || length >= sizeof host)
        return nj_fail(error, "uplink.target = %s: mqtt://HOST:PORT/TOPIC is expected", target);
    memcpy(host, at, length);
    host[length] = 0;
    if (at[length] == ':') {
        port = strtol(at + length + 1, &end, 10);
        if (end != slash || port < 1 || port > 65535)
            return nj_fail(error, "uplink.target = %s: the port is a number from 1 to 65535", target);
    }
    snprintf(transport->topic, sizeof transport->topic, "%s/%s", slash + 1, transport->conf->uplink.station_id);
    mosquitto_lib_init();
    transport->broker = mosquitto_new(NULL, true, transport);
    if (!transport->broker)
        return nj_fail(error, "no memory for a connection to %s", target);
    mosquitto_publish_callback_set(transport->broker, on_publish);
    int result = mosquitto_connect(transport->broker, host, (int)port, 60);
    if (result != MOSQ_ERR_SUCCESS)
        return nj_fail(error, "%s: no connection: %s", target, result == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(result));
    transport->send = send_to_broker;
    return NJ_OK;
}

nj_status nj_transport_open(const struct nj_conf *conf, struct nj_transport **out, struct nj_error *error)
{
    *out = NULL;
    if (!strcmp(conf->uplink.transport, "none"))
        return nj_fail_as(NJ_NOT_FOUND, error,
                          "uplink.transport is none: nothing leaves this station; set it to directory, mqtt or serial");
    if (!conf->uplink.target[0])
        return nj_fail(error, "uplink.target is empty: say where transport %s leads", conf->uplink.transport);
    struct nj_transport *transport = calloc(1, sizeof *transport);
    if (!transport)
        return nj_fail(error, "no memory for a transport");
    *transport       = (struct nj_transport){.conf = conf, .tty = -1, .send = send_to_directory};
    nj_status status = NJ_OK;
    if (!strcmp(conf->uplink.transport, "mqtt"))
        status = open_broker(transport, error);
    else if (!strcmp(conf->uplink.transport, "serial"))
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
