// Layers that hls4ml's nnet_utils does not have, for networks that l1chain describes (docs/firmware.md).
#ifndef L1CHAIN_LAYERS_H_
#define L1CHAIN_LAYERS_H_

#include "ap_fixed.h"
#include "ap_int.h"
#include "nnet_utils/nnet_common.h"
#include "nnet_utils/nnet_function_stubs.h"

#include <cstddef>
#ifdef L1CHAIN_TRACE
#include <cstdint>
#endif

namespace l1chain {

#ifndef __SYNTHESIS__
// Converts numbers into the constants of a layer.
template <class T, std::size_t N> bool fill(T (&constants)[N], const double (&values)[N]) {
    for (std::size_t i = 0; i < N; i++)
        constants[i] = values[i];
    return true;
}
#endif

#ifdef L1CHAIN_TRACE
// Where the codes of the next layer go; each array is a layer's numbers.
static thread_local std::int64_t *traced;

template <class T, std::size_t N> void trace(const T (&numbers)[N]) {
    for (std::size_t i = 0; i < N; i++)
        *traced++ = numbers[i].V.to_int64();
}
#endif

// A number times 2^-SHIFT, exact: the same bits, read with another binary point.
template <int SHIFT, int W, int I, ap_q_mode Q, ap_o_mode O, int N>
ap_fixed<W, I - SHIFT> shifted(ap_fixed<W, I, Q, O, N> x) {
    #pragma HLS INLINE
    ap_fixed<W, I - SHIFT> r;
    r.range() = x.range();
    return r;
}

template <int SHIFT, int W, int I, ap_q_mode Q, ap_o_mode O, int N>
ap_ufixed<W, I - SHIFT> shifted(ap_ufixed<W, I, Q, O, N> x) {
    #pragma HLS INLINE
    ap_ufixed<W, I - SHIFT> r;
    r.range() = x.range();
    return r;
}

// The type of all steps of the scaling cuts digits and drops no carry: then a shift within it is exact enough.
template <class data_T, class res_T, typename CONFIG_T>
void scale_inputs(data_T data[CONFIG_T::n_in], res_T res[CONFIG_T::n_in],
                  const typename CONFIG_T::offset_t offset[CONFIG_T::n_in], const int shift[CONFIG_T::n_in]) {
    #pragma HLS PIPELINE

    for (int ii = 0; ii < CONFIG_T::n_in; ii++) {
        #pragma HLS UNROLL
        typename CONFIG_T::unscaled_t unscaled = data[ii];
        typename CONFIG_T::unscaled_t difference = unscaled - offset[ii];
        typename CONFIG_T::unscaled_t scaled = difference >> shift[ii];
        res[ii] = scaled;
    }
}

// One input, for types that round or saturate on the way.
template <int SHIFT, class unscaled_T, class data_T, class offset_T>
unscaled_T scale_input(data_T data, offset_T offset) {
    #pragma HLS INLINE
    unscaled_T unscaled = data;
    unscaled_T difference = unscaled - offset;
    return unscaled_T(shifted<SHIFT>(difference));
}

// The windows of a convolution, row by row, column by column, channel by channel; zeros around the image.
template <class data_T, typename CONFIG_T> class FillConv2DBuffer : public nnet::FillConv2DBuffer<data_T, CONFIG_T> {
  public:
    static void
    fill_buffer(data_T data[CONFIG_T::in_height * CONFIG_T::in_width * CONFIG_T::n_chan],
                data_T buffer[CONFIG_T::n_pixels][CONFIG_T::filt_height * CONFIG_T::filt_width * CONFIG_T::n_chan],
                const unsigned partition) {
        #pragma HLS INLINE

        for (unsigned pixel = 0; pixel < CONFIG_T::n_pixels; pixel++) {
            #pragma HLS UNROLL
            const unsigned place = partition * CONFIG_T::n_pixels + pixel;
            const int top = int(place / CONFIG_T::out_width * CONFIG_T::stride_height) - int(CONFIG_T::pad_top);
            const int left = int(place % CONFIG_T::out_width * CONFIG_T::stride_width) - int(CONFIG_T::pad_left);
            unsigned tap = 0;
            for (int row = top; row < top + int(CONFIG_T::filt_height); row++) {
                for (int column = left; column < left + int(CONFIG_T::filt_width); column++) {
                    const bool inside =
                        row >= 0 && row < int(CONFIG_T::in_height) && column >= 0 && column < int(CONFIG_T::in_width);
                    const int first = (row * int(CONFIG_T::in_width) + column) * int(CONFIG_T::n_chan);
                    for (int channel = 0; channel < int(CONFIG_T::n_chan); channel++) {
                        if (inside)
                            buffer[pixel][tap] = data[first + channel];
                        else
                            buffer[pixel][tap] = 0;
                        tap++;
                    }
                }
            }
        }
    }
};

// A value for each number of the input's type, the least one first.
template <class data_T, class res_T, typename CONFIG_T>
void lookup(data_T data[CONFIG_T::n_in], res_T res[CONFIG_T::n_in], const res_T table[CONFIG_T::table_size]) {
    #pragma HLS PIPELINE

    for (int ii = 0; ii < CONFIG_T::n_in; ii++) {
        #pragma HLS UNROLL
        typename CONFIG_T::code_t code;
        code.range() = data[ii].range();
        res[ii] = table[code.to_int() - CONFIG_T::least_code];
    }
}

// The geometric mean of the square roots of n numbers that have no sign, cut; the root is found bit by bit.
template <class data_T, class res_T, typename CONFIG_T>
void geometric_mean(data_T data[CONFIG_T::n_in], res_T res[1]) {
    ap_uint<CONFIG_T::product_bits> product = 1;
    for (int ii = 0; ii < CONFIG_T::n_in; ii++) {
        ap_uint<data_T::width> square;
        square.range() = data[ii].range();
        product = product * square;
    }
    product = CONFIG_T::shift >= 0 ? product << unsigned(CONFIG_T::shift) : product >> unsigned(-CONFIG_T::shift);

    ap_uint<CONFIG_T::root_bits> root = 0;
    for (int bit = CONFIG_T::root_bits - 1; bit >= 0; bit--) {
        ap_uint<CONFIG_T::root_bits> trial = root;
        trial[bit] = 1;
        ap_uint<2 * CONFIG_T::n_in * CONFIG_T::root_bits> power = 1;
        for (int ii = 0; ii < 2 * CONFIG_T::n_in; ii++)
            power = power * trial;
        if (power <= product)
            root = trial;
    }
    ap_ufixed<CONFIG_T::root_bits, CONFIG_T::root_bits - CONFIG_T::fraction_bits> mean;
    mean.range() = root.range();
    res[0] = mean;
}

} // namespace l1chain

#endif
