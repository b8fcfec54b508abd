/* Written by make_assessment_golden.py; do not edit. */
enum { GOLDEN_SAMPLES = 500, GOLDEN_CLASSES = 7 };
static const double golden_brier = 0.7516018517239736, golden_calibration_error = 0.16116464047053655;
static const double golden_cross_entropy = 2.129959838520098;
static const size_t golden_confusion[GOLDEN_CLASSES][GOLDEN_CLASSES] = {
    {36, 8, 4, 8, 11, 1, 7},
    {7, 41, 3, 1, 7, 4, 3},
    {7, 6, 33, 5, 8, 6, 6},
    {5, 4, 9, 51, 4, 2, 7},
    {4, 8, 4, 5, 38, 5, 3},
    {2, 2, 5, 1, 5, 32, 10},
    {7, 6, 4, 3, 6, 7, 49},
};
