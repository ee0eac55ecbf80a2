/* transport.h: the ways out of a station. Each carries one message and says whether the far side has it.
 *
 *   directory  a file NJ-STATION-TIME-NUMBER.nju, written beside and renamed: a visitor's laptop or a syncing program takes it. Has it: when it is on disk
 *   mqtt       mqtt://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC, QoS 1, to TOPIC/STATION. Has it: when the broker acknowledged
 *   serial     /dev/tty…, 9600 8N1, for radio modems: "NJ " + hex of one packed event + newline. Has it: when "OK" comes back within 10 s */
#ifndef NJ_UPLINK_TRANSPORT_H
#define NJ_UPLINK_TRANSPORT_H

#include "base/conf.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nj_transport;

/* Where the settings lead, in words without a password, into out[size]. NJ_ERROR with a sentence where they can lead nowhere; connects to nothing. */
nj_status nj_transport_where(const struct nj_conf *conf, char *out, size_t size, struct nj_error *error);

/* NJ_NOT_FOUND with a sentence when uplink.transport is none, NJ_STOPPED when the link is down (NJ_ERROR: the settings are wrong). The caller owns *out. */
nj_status nj_transport_open(const struct nj_conf *conf, struct nj_transport **out, struct nj_error *error);
void      nj_transport_close(struct nj_transport *transport);

/* Whether it carries packed events one by one (serial) or batches. */
bool nj_transport_packed(const struct nj_transport *transport);

/* NJ_OK: the far side has it. */
nj_status nj_transport_send(struct nj_transport *transport, const uint8_t *bytes, size_t size, struct nj_error *error);

#endif
