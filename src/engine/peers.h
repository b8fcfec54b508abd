/* oneDNN's primitives for layers whose kernels are our own: peers, to hold ours to. They have a kernel's interface,
 * read and write the same arrays and parameters, and are in no row of kernels[] (kernel.c), so that no plan takes one.
 * comparison.h times them, and tests/check/check_peers.c sees that they compute what ours do.
 *
 * They are what oneDNN has for the work, on the layout that ours read (channels last): a ReLU is fused where oneDNN
 * can. One thing they leave to their caller, as oneDNN does: a batch norm in training does not move the running
 * statistics. */
#ifndef RETORT_ENGINE_PEERS_H
#define RETORT_ENGINE_PEERS_H

#include "engine/kernel.h"

/* oneDNN's class for a kind of node. Where a plan may take that very class, there is nothing to compare; where
 * there is none, NULL, and for convolutions, whose classes have a contest of their own (contest.h). */
const rt_kernel_class *rt_peer_of(rt_node_kind kind);

/* ReLU and smooth activations; additions with or without a ReLU. Backward takes one reader's gradient. */
extern const rt_kernel_class rt_peer_elementwise, rt_peer_batch_norm;

#endif
