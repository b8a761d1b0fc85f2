// C simulation of a batch: codes of the inputs' type in, codes of the score's type out.
#include "firmware/@top@.cpp"
#include <cstddef>
#include <cstdint>

extern "C" __attribute__((visibility("default"))) void
@exported@(const @code_type@ *inputs, std::int64_t *scores, std::size_t n) {
    using namespace @top@;
    for (std::size_t crossing = 0; crossing < n; crossing++, inputs += @n_inputs@) {
        input_t @x@[@n_inputs@];
        result_t @score@[1];
        for (int i = 0; i < @n_inputs@; i++)
            @x@[i].V = inputs[i];
        @top@::@top@(@x@, @score@);
        scores[crossing] = @score@[0].V.to_int64();
    }
}

#ifdef L1CHAIN_TRACE
// The codes of every layer, crossing by crossing.
extern "C" __attribute__((visibility("default"))) void
@trace@(const @code_type@ *inputs, std::int64_t *codes, std::size_t n) {
    std::int64_t score;
    l1chain::traced = codes;
    for (std::size_t crossing = 0; crossing < n; crossing++, inputs += @n_inputs@)
        @exported@(inputs, &score, 1);
}
#endif
