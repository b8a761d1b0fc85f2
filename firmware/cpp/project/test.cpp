#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "firmware/@top@.h"
#include "firmware/nnet_utils/nnet_helpers.h"

namespace nnet {
bool trace_enabled = false;
std::map<std::string, void *> *trace_outputs = NULL;
size_t trace_type_size = sizeof(double);
} // namespace nnet

// Each line of the inputs is a crossing; the same line of the predictions is its score.
int main(int argc, char **argv) {
    std::ifstream inputs("tb_data/tb_input_features.dat");
    std::ifstream predictions("tb_data/tb_output_predictions.dat");
#ifdef RTL_SIM
    std::ofstream results("tb_data/rtl_cosim_results.log");
#else
    std::ofstream results("tb_data/csim_results.log");
#endif
    results.precision(17);
    std::string line, expected;
    int crossings = 0, differing = 0;
    while (std::getline(inputs, line)) {
        std::istringstream numbers(line);
        @top@::input_t @x@[@n_inputs@];
        @top@::result_t @score@[1];
        for (int i = 0; i < @n_inputs@; i++) {
            double number = 0;
            numbers >> number;
            @x@[i] = number;
        }
        @top@::@top@(@x@, @score@);
        results << @score@[0].to_double() << std::endl;
        if (std::getline(predictions, expected) && std::stod(expected) != @score@[0].to_double())
            differing++;
        crossings++;
    }
    std::cout << crossings << " crossings, " << differing << " scores differ" << std::endl;
    return differing != 0;
}
