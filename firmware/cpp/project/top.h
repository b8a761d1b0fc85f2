#ifndef @TOP@_H_
#define @TOP@_H_

#include "ap_fixed.h"
#include "ap_int.h"
#include "hls_stream.h"

#include "defines.h"

namespace @top@ {

// Prototype of top level function for C-synthesis
void @top@(
    input_t @x@[@n_inputs@],
    result_t @score@[1]
);

}

#endif
