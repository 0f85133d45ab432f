/* CRC-32C (Castagnoli), RFC 3720 section 12.1.  Level 0. */
#ifndef CM_CRC32C_H
#define CM_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * The checksum of the bytes so far, continued: start with crc 0.
 * crc32c(crc32c(0, a), b) is the checksum of a and b behind each other.
 * Uses the processor's instruction where it has one.
 */
uint32_t crc32c(uint32_t crc, const void *, size_t);
/* The same by table, on any processor: for tests and as the fall-back. */
uint32_t crc32c_portable(uint32_t crc, const void *, size_t);

#endif
