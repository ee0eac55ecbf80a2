#include "kernels/forms.h"
#include "kernels/forms_c.h"

static void rows(const void *w, enum nj_number format, const int32_t *index, size_t count, size_t cols, const float *x, size_t x_stride,
                 size_t tokens, float *out, size_t out_stride)
{
    for (size_t r = 0; r < count; r++) {
        size_t at = (index ? (size_t)index[r] : r) * cols;
        for (size_t t = 0; t < tokens; t++) {
            double sum = 0;
            for (size_t c = 0; c < cols; c++)
                sum += (double)nj_number_value(w, format, at + c) * (double)x[t * x_stride + c];
            out[t * out_stride + r] = (float)sum;
        }
    }
}

void nj_f32_rows_c(const void *w, const int32_t *index, size_t count, size_t cols, const float *x, size_t x_stride, size_t tokens,
                   float *out, size_t out_stride)
{
    rows(w, NJ_NUMBER_F32, index, count, cols, x, x_stride, tokens, out, out_stride);
}

void nj_f16_rows_c(const void *w, const int32_t *index, size_t count, size_t cols, const float *x, size_t x_stride, size_t tokens,
                   float *out, size_t out_stride)
{
    rows(w, NJ_NUMBER_F16, index, count, cols, x, x_stride, tokens, out, out_stride);
}

void nj_bf16_rows_c(const void *w, const int32_t *index, size_t count, size_t cols, const float *x, size_t x_stride, size_t tokens,
                    float *out, size_t out_stride)
{
    rows(w, NJ_NUMBER_BF16, index, count, cols, x, x_stride, tokens, out, out_stride);
}

void nj_w8a16_rows_c(const struct nj_i8_rows *w, const int32_t *index, size_t first, size_t count, const struct nj_act *a, float *out,
                     size_t out_stride)
{
    for (size_t r = 0; r < count; r++) {
        size_t        row  = index ? (size_t)index[r] : first + r;
        const int8_t *data = w->data + row * w->cols;
        for (uint32_t t = 0; t < a->tokens; t++) {
            float total = 0;
            for (uint32_t g = 0; g < a->cols / a->group; g++) {
                int32_t sum = 0;
                for (uint32_t col = g * a->group; col < (g + 1) * a->group; col++)
                    sum += data[col] * nj_act_value(a, t, col);
                size_t scale = row * (w->cols / w->group) + (w->group == w->cols ? 0 : g);
                total += (float)sum * (nj_number_value(w->scales, w->scale_format, scale) * a->scale[(size_t)g * a->tokens + t]);
            }
            out[t * out_stride + r] = total;
        }
    }
}
