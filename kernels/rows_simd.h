/* rows_simd.h: row-major matrices of fp32, fp16 and bf16 for vectors of any width (simd.h): NJ_ROWS rows x NJ_TOKENS tokens at a time, vectors along
 * the columns. The including file defines the two (4 x 3 where there are 16 registers). */

#define NJ_ROWS_AHEAD 2048

NJ_INLINE size_t number_bytes(enum nj_number format)
{
    return format == NJ_NUMBER_F32 ? 4 : 2;
}

/* out[t][r] of `r_n` rows and `t_n` tokens; out_r: distance of the results of neighbouring rows. */
NJ_INLINE void rows_block(enum nj_number format, const int r_n, const int t_n, const uint8_t *const *w, size_t cols, const float *x,
                          size_t x_stride, float *out, size_t out_stride, size_t out_r)
{
    nj_v   sum[NJ_ROWS][NJ_TOKENS];
    size_t c = 0;
    NJ_UNROLL
    for (int r = 0; r < r_n; r++) {
        NJ_UNROLL
        for (int t = 0; t < t_n; t++)
            sum[r][t] = nj_v_set(0);
    }
    for (; c + NJ_LANES <= cols; c += NJ_LANES) {
        nj_v v[NJ_TOKENS];
        NJ_UNROLL
        for (int t = 0; t < t_n; t++)
            v[t] = nj_v_load(x + (size_t)t * x_stride + c);
        NJ_UNROLL
        for (int r = 0; r < r_n; r++) {
            nj_v row = nj_v_load_number(w[r], format, c);
            if (t_n == 1)
                nj_v_prefetch(w[r] + c * number_bytes(format) + NJ_ROWS_AHEAD);
            NJ_UNROLL
            for (int t = 0; t < t_n; t++)
                sum[r][t] = nj_v_fma(row, v[t], sum[r][t]);
        }
    }
    NJ_UNROLL
    for (int r = 0; r < r_n; r++) {
        NJ_UNROLL
        for (int t = 0; t < t_n; t++) {
            float total = nj_v_sum(sum[r][t]);
            for (size_t i = c; i < cols; i++)
                total += nj_number_value(w[r], format, i) * x[(size_t)t * x_stride + i];
            out[(size_t)t * out_stride + (size_t)r * out_r] = total;
        }
    }
}

NJ_INLINE void rows_tokens(enum nj_number format, const int r_n, const uint8_t *const *w, size_t cols, const float *x, size_t x_stride,
                           size_t tokens, float *out, size_t out_stride, size_t out_r)
{
    size_t t = 0;
    for (; t + NJ_TOKENS <= tokens; t += NJ_TOKENS)
        rows_block(format, r_n, NJ_TOKENS, w, cols, x + t * x_stride, x_stride, out + t * out_stride, out_stride, out_r);
    for (; t + 2 <= tokens; t += 2)
        rows_block(format, r_n, 2, w, cols, x + t * x_stride, x_stride, out + t * out_stride, out_stride, out_r);
    if (t < tokens)
        rows_block(format, r_n, 1, w, cols, x + t * x_stride, x_stride, out + t * out_stride, out_stride, out_r);
}

/* Tokens in blocks that stay in the second-level cache while all rows pass by. One token, all rows: as many distant streams as rows in a block. */
NJ_INLINE void rows_all(enum nj_number format, const void *w, const int32_t *index, size_t count, size_t cols, const float *x,
                        size_t x_stride, size_t tokens, float *out, size_t out_stride)
{
    const uint8_t *data      = w;
    const size_t   row_bytes = cols * number_bytes(format), apart = !index && tokens == 1 ? count / NJ_ROWS : 1;
    const size_t   in_block = cols ? 65536 / cols + NJ_TOKENS : tokens;
    for (size_t first = 0; first < tokens; first += in_block) {
        size_t       n = tokens - first < in_block ? tokens - first : in_block, r = 0;
        const float *these = x + first * x_stride;
        float       *to    = out + first * out_stride;
        for (size_t blocks = count / NJ_ROWS; blocks > 0; blocks--, r += apart == 1 ? NJ_ROWS : 1) {
            const uint8_t *some[NJ_ROWS];
            for (size_t i = 0; i < NJ_ROWS; i++)
                some[i] = data + (index ? (size_t)index[r + i] : r + i * apart) * row_bytes;
            rows_tokens(format, NJ_ROWS, some, cols, these, x_stride, n, to + r, out_stride, apart);
        }
        for (r = count / NJ_ROWS * NJ_ROWS; r < count; r++) {
            const uint8_t *one = data + (index ? (size_t)index[r] : r) * row_bytes;
            rows_tokens(format, 1, &one, cols, these, x_stride, n, to + r, out_stride, 1);
        }
    }
}

#define NJ_ROWS_FORM(name, format)                                                                                                           \
    nj_rows_fn NJ_FORM(name);                                                                                                                \
    void       NJ_FORM(name)(const void *w, const int32_t *index, size_t count, size_t cols, const float *x, size_t x_stride, size_t tokens, \
                       float *out, size_t out_stride)                                                                                  \
    {                                                                                                                                        \
        rows_all(format, w, index, count, cols, x, x_stride, tokens, out, out_stride);                                                       \
    }
