/* What a user of `retort export --c-header` writes: runs the network in student.h on a file of CIFAR-10's records
 * (label, 3072 bytes) and compares with the logits in a .npy file.
 *
 *     infer_main test_batch.bin logits.npy [found.bin]     prints the largest difference and the largest logit, and
 *                                                          writes the logits that it found, as floats */
#include <stdio.h>

#include "student.h"

static float arena[STUDENT_ARENA];

int main(int argc, char **argv)
{
    enum { HEADER = 128, PIXELS = STUDENT_CHANNELS * STUDENT_HEIGHT * STUDENT_WIDTH };
    static unsigned char record[1 + PIXELS];
    static float image[PIXELS], logits[STUDENT_CLASSES], expected[STUDENT_CLASSES];
    double difference = 0.0, largest = 0.0;
    FILE *images = argc >= 3 ? fopen(argv[1], "rb") : NULL, *array = argc >= 3 ? fopen(argv[2], "rb") : NULL;
    FILE *found = argc == 4 ? fopen(argv[3], "wb") : NULL;
    if (!images || !array || (argc == 4 && !found) || fseek(array, HEADER, SEEK_SET) != 0)
        return 2;
    while (fread(record, 1, sizeof record, images) == sizeof record) {
        if (fread(expected, sizeof *expected, STUDENT_CLASSES, array) != STUDENT_CLASSES)
            return 2;
        for (int i = 0; i < PIXELS; ++i)
            image[i] = (float)record[1 + i] / 255.0f;
        retort_infer(&student, image, arena, logits);
        if (found && fwrite(logits, sizeof *logits, STUDENT_CLASSES, found) != STUDENT_CLASSES)
            return 2;
        for (int k = 0; k < STUDENT_CLASSES; ++k) {
            difference = fmax(difference, fabs((double)logits[k] - (double)expected[k]));
            largest = fmax(largest, fabs((double)expected[k]));
        }
    }
    printf("%g %g\n", difference, largest);
    return fclose(images) | fclose(array) | (found ? fclose(found) : 0);
}
