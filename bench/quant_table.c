/* quant_table.c - the divergence of files from one source, whoever made them.
 *
 *   quant_table SOURCE TEXT TOKENS FILE...
 *
 * One CSV row for each file: bytes of weights, bits per weight, perplexity, KL divergence in nats (mean, its
 * error, median, 99 %, max) and top-1 agreement, by glim_quality_compare in windows of 512. bench/quant_table.py
 * makes the files with both quantizers and runs this. */
#include <stdio.h>
#include <stdlib.h>

#include "compress/quality.h"
#include "format/ckpt.h"

int main(int argc, char **argv) {
    if (argc < 5) {
        fprintf(stderr, "quant_table SOURCE TEXT TOKENS FILE...\n");
        return 2;
    }
    printf("file,bytes,bits,ppl_source,ppl,kl_mean,kl_error,kl_median,kl_99,kl_max,top1\n");
    for (int i = 4; i < argc; i++) {
        glim_err err = {0};
        glim_ckpt *c;
        glim_quality q;
        glim_quality_params p = {.max_tokens = strtoul(argv[3], NULL, 10)};
        size_t bytes = 0, values = 0;
        if (glim_ckpt_open(&c, argv[i], &err) != GLIM_OK) {
            fprintf(stderr, "quant_table: %s\n", err.msg);
            return 1;
        }
        for (size_t k = 0; k < glim_ckpt_n_tensors(c); k++) {
            const glim_tensor *t = glim_ckpt_tensor(c, k);
            size_t n = 1;
            for (int d = 0; d < t->n_dims; d++) n *= t->dims[d];
            values += n;
            bytes += t->n_bytes;
        }
        glim_ckpt_close(c);
        if (glim_quality_compare(&q, argv[1], argv[i], argv[2], &p, &err) != GLIM_OK) {
            fprintf(stderr, "quant_table: %s\n", err.msg);
            return 1;
        }
        printf("%s,%zu,%.3f,%.4f,%.4f,%.6f,%.6f,%.6f,%.6f,%.6f,%.4f\n", argv[i], bytes, 8.0 * (double)bytes / (double)values,
               q.ppl_source, q.ppl_result, q.kl_mean, q.kl_error, q.kl_median, q.kl_99, q.kl_max, q.top1);
        fflush(stdout);
    }
    return 0;
}
