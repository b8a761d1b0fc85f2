#ifndef @TOP@_BRIDGE_H_
#define @TOP@_BRIDGE_H_

#include "firmware/@top@.h"
#include "firmware/nnet_utils/nnet_helpers.h"
#include <algorithm>
#include <map>

namespace nnet {
bool trace_enabled = false;
std::map<std::string, void *> *trace_outputs = NULL;
size_t trace_type_size = sizeof(double);
} // namespace nnet

extern "C" {

// Wrapper of top level function for Python bridge
void @top@_float(float @x@[@n_inputs@], float @score@[1]) {
    using namespace @top@;

    input_t @x@_ap[@n_inputs@];
    nnet::convert_data<float, input_t, @n_inputs@>(@x@, @x@_ap);
    result_t @score@_ap[1];
    @top@::@top@(@x@_ap, @score@_ap);
    nnet::convert_data<result_t, float, 1>(@score@_ap, @score@);
}

void @top@_double(double @x@[@n_inputs@], double @score@[1]) {
    using namespace @top@;

    input_t @x@_ap[@n_inputs@];
    nnet::convert_data<double, input_t, @n_inputs@>(@x@, @x@_ap);
    result_t @score@_ap[1];
    @top@::@top@(@x@_ap, @score@_ap);
    nnet::convert_data<result_t, double, 1>(@score@_ap, @score@);
}
}

#endif
