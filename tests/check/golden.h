/* Reads tests/golden/nodes.txt and network_FAMILY.txt: lines of words, tensors among them. A file that is not as
 * expected ends the program: it is part of the tests. */
#ifndef RETORT_CHECK_GOLDEN_H
#define RETORT_CHECK_GOLDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "filling.h"
#include "graph/graph.h"

enum { GOLDEN_WORDS = 8 + FILLING_WHOLE };

/* A file, and the line that was read last. */
struct golden {
    FILE *file;
    const char *path;
    size_t line_number;
    char *line;
    size_t line_capacity;
    char *words[GOLDEN_WORDS];
    size_t word_count;
};

/* What PyTorch found in float64, and how far its float32 is from that. */
struct golden_tensor {
    char tag[16]; /* output, into, gradient, running, change */
    char name[RT_NAME_CAPACITY];
    size_t count;
    double scale;            /* what errors are relative to: the largest value */
    double norm, projection; /* of the whole tensor */
    double float32_error;
    size_t sample_count; /* `count`, where the tensor is stored as it is */
    double samples[FILLING_WHOLE];
};

/* How far a tensor is from PyTorch's. */
struct golden_distance {
    double error; /* the largest at the samples, relative to scale */
    double whole; /* of the norm and the projection, whichever is larger, relative to the norm */
};

void golden_open(struct golden *golden, const char *path);
void golden_close(struct golden *golden);

/* Goes to the next line with words in it; false at the end. */
bool golden_next(struct golden *golden);

/* Whether the line begins with this word. */
bool golden_is(const struct golden *golden, const char *word);

/* The word at this place; the program ends when there is none. */
const char *golden_word(const struct golden *golden, size_t place);

/* The number behind "key=" on the line, or what is given for its absence. */
size_t golden_option(const struct golden *golden, const char *key, size_t absent);
double golden_real_option(const struct golden *golden, const char *key, double absent);

/* The line as a tensor; false if it is something else. */
bool golden_tensor(const struct golden *golden, struct golden_tensor *tensor);

/* The line as a layer, appended to the graph; false if it is something else. */
bool golden_layer(const struct golden *golden, rt_graph *graph);

struct golden_distance golden_distance(const struct golden_tensor *tensor, const float *values);

/* How much two gradients point the same way: products over the samples of any number of tensors, each relative to its
 * scale, so that all count alike. */
struct golden_angle {
    double found, expected, both;
};
void golden_angle_add(struct golden_angle *angle, const struct golden_tensor *tensor, const float *values);
double golden_angle_cosine(const struct golden_angle *angle);

#endif
