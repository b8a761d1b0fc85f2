#ifndef PARAMETERS_H_
#define PARAMETERS_H_

#include "ap_fixed.h"
#include "ap_int.h"

#include "nnet_utils/nnet_code_gen.h"
#include "nnet_utils/nnet_helpers.h"
// hls-fpga-machine-learning insert includes
@headers@
#include "l1chain_layers.h"

// hls-fpga-machine-learning insert weights
@weights@

namespace @top@ {

// hls-fpga-machine-learning insert layer-config
@configs@

}

#endif
