#include "pipeline/model/rows.h"

#include <string.h>

struct nj_rows nj_rows_of(const struct nj_matrix *matrix)
{
    bool plain = matrix->format <= NJ_BF16;
    return (struct nj_rows){.matrix = matrix, .rows = matrix->rows, .cols = matrix->cols, .storage = plain ? matrix->format : NJ_BF16};
}

bool nj_rows_unchanged(const struct nj_rows *rows)
{
    return !rows->keep_rows && !rows->keep_cols && rows->adapter_count == 0;
}

void nj_round_to(enum nj_format format, float *values, uint32_t count)
{
    for (uint32_t i = 0; i < count && format != NJ_F32; i++)
        values[i] = format == NJ_BF16 ? nj_bf16_to_float(nj_float_to_bf16(values[i])) : nj_f16_to_float(nj_float_to_f16(values[i]));
}

void nj_narrow(enum nj_format format, const float *values, uint32_t count, void *out)
{
    if (format == NJ_F32)
        memcpy(out, values, (size_t)count * sizeof *values);
    for (uint32_t i = 0; i < count && format != NJ_F32; i++) {
        uint16_t bits = format == NJ_BF16 ? nj_float_to_bf16(values[i]) : nj_float_to_f16(values[i]);
        memcpy((uint8_t *)out + 2 * (size_t)i, &bits, sizeof bits);
    }
}

/* row += scale * B[row] A, summed over the rank in fp32 first, as a product B A would be. */
static void merge(const struct nj_low_rank *adapter, uint32_t row, uint32_t cols, float *out)
{
    enum { BLOCK = 512 };
    const float *b = adapter->b + (size_t)row * adapter->rank;
    float        sum[BLOCK];
    for (uint32_t from = 0; from < cols; from += BLOCK) {
        uint32_t count = cols - from < BLOCK ? cols - from : BLOCK;
        memset(sum, 0, sizeof sum);
        for (uint32_t r = 0; r < adapter->rank; r++)
            for (uint32_t i = 0; i < count; i++)
                sum[i] += b[r] * adapter->a[(size_t)r * cols + from + i];
        for (uint32_t i = 0; i < count; i++)
            out[from + i] += adapter->scale * sum[i];
    }
}

void nj_rows_read(const struct nj_rows *rows, uint32_t row, float *scratch, float *out)
{
    uint32_t source = rows->keep_rows ? rows->keep_rows[row] : row;
    float   *whole  = rows->keep_cols ? scratch : out;
    nj_matrix_row(rows->matrix, source, whole);
    for (uint32_t i = 0; i < rows->adapter_count; i++)
        merge(rows->adapters[i], source, rows->matrix->cols, whole);
    if (rows->recovery)
        nj_recovery_apply(rows->recovery, whole);
    if (rows->adapter_count || rows->recovery)
        nj_round_to(rows->storage, whole, rows->matrix->cols);
    for (uint32_t i = 0; rows->keep_cols && i < rows->cols; i++)
        out[i] = whole[rows->keep_cols[i]];
}
