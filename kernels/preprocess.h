/* preprocess.h: what the kernel `preprocess` computes, and where its output is.
 *
 * The step before inference: a bilinear resize to 224 x 224 without antialiasing, normalization
 * with ImageNet's mean and standard deviation, and planar (CHW) float. The definition, shared by
 * the CPU form, the GPU form and the tests:
 *   - pixel centres are aligned as in OpenCV's INTER_LINEAR and PyTorch's align_corners=False:
 *     output column x looks at input column (x + 0.5) * width / 224 - 0.5, clamped to [0,
 *     width - 1]; rows likewise;
 *   - a plane's value is (v / 255 - mean) / deviation, v being the blend of the four neighbours;
 *   - 3 or 4 input channels give three planes in the order of the input's first three channels,
 *     which are taken for red, green and blue; a fourth is ignored. 1 channel gives one plane, with
 *     the mean of the three means and deviations, so that grey looks like a grey RGB image on
 *     average.
 * An implementation in 32-bit floats is right when it stays within PREPROCESS_TOLERANCE of the same
 * formula in double precision.
 */
#ifndef HANDOFF_KERNELS_PREPROCESS_H
#define HANDOFF_KERNELS_PREPROCESS_H

#include "kernels/kernel.h"

#define PREPROCESS_SIZE 224 /* width and height of each output plane */
#define PREPROCESS_PLANES_MAX 3
#define PREPROCESS_TOLERANCE 1e-5 /* absolute; outputs lie between -2.2 and 2.7 */

struct preprocess_normal {
    double mean;
    double deviation;
};
static const struct preprocess_normal preprocess_normal_rgb[PREPROCESS_PLANES_MAX] = {
    {0.485, 0.229},
    {0.456, 0.224},
    {0.406, 0.225},
};
static const struct preprocess_normal preprocess_normal_grey = {0.449, 0.226};

/* The planes of the last enqueued frame, PREPROCESS_SIZE x PREPROCESS_SIZE floats each, one after
 * the other; *planes tells how many. Valid until the next enqueue or close. `state` must come from
 * this kernel's open. */
const float *preprocess_output(const struct kernel_state *state, unsigned *planes);

#endif
