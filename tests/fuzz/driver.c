/* Drives a fuzz target without libFuzzer: seeded inputs, a bounded number of them. Usage: fuzz_X [inputs [seed]] */
#include "common/base/cleanup.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUTS 20000
#define SEED 20261123
#define RANDOM_SIZE_MAX 300

static void make_noise(unsigned *seed, struct buffer *input)
{
    size_t size = (size_t)rand_r(seed) % RANDOM_SIZE_MAX;

    for (size_t i = 0; i < size; i++)
        buffer_add_u8(input, (uint8_t)rand_r(seed));
}

/* The usual accidents: a byte, a bit, a piece cut off, a piece doubled. */
static void damage(unsigned *seed, struct buffer *input)
{
    size_t changes = (size_t)rand_r(seed) % 5;

    for (size_t i = 0; i < changes && input->size > 0; i++) {
        size_t at = (size_t)rand_r(seed) % input->size;
        size_t rest = input->size - at;
        switch (rand_r(seed) % 4) {
        case 0:
            input->data[at] = (uint8_t)rand_r(seed);
            break;
        case 1:
            input->data[at] ^= (uint8_t)(1U << (rand_r(seed) % 8));
            break;
        case 2:
            input->size = at;
            break;
        default:
            (void)buffer_reserve(input, rest);
            memcpy(input->data + input->size, input->data + at, rest);
            input->size += rest;
            break;
        }
    }
}

int main(int argc, char **argv)
{
    unsigned long inputs = argc > 1 ? strtoul(argv[1], NULL, 10) : INPUTS;
    unsigned first = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : SEED;
    CLEANUP(buffer_done)
    struct buffer input = {0};

    (void)printf("%lu inputs from seed %u\n", inputs, first);
    (void)fflush(stdout); /* a crash must not take it along */
    for (unsigned long i = 0; i < inputs; i++) {
        unsigned seed = first + (unsigned)i; /* so that one input can be made again alone: fuzz_X 1 SEED */
        input.size = 0;
        if (seed % 8 == 0) {
            make_noise(&seed, &input);
        } else {
            fuzz_good_input(&seed, &input);
            damage(&seed, &input);
        }
        /* Of exactly its size, so that a byte read too many is seen. */
        uint8_t *copy = malloc(input.size > 0 ? input.size : 1);
        if (copy == NULL)
            return EXIT_FAILURE;
        if (input.size > 0)
            memcpy(copy, input.data, input.size);
        (void)LLVMFuzzerTestOneInput(copy, input.size);
        free(copy);
    }
    return EXIT_SUCCESS;
}
