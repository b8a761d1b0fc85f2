#include <iostream>

#include "@top@.h"
#include "parameters.h"

namespace @top@ {

void @top@(
    input_t @x@[@n_inputs@],
    result_t @score@[1]
) {

    // hls-fpga-machine-learning insert IO
    #pragma HLS ARRAY_RESHAPE variable=@x@ complete dim=0
    #pragma HLS ARRAY_PARTITION variable=@score@ complete dim=0
    #pragma HLS INTERFACE ap_vld port=@x@,@score@
    #pragma HLS @pipeline@

    // ****************************************
    // NETWORK INSTANTIATION
    // ****************************************

    // hls-fpga-machine-learning insert layers
@statements@
}

}
