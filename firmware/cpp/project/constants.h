//Numpy array shape @shape@
//Min @min@
//Max @max@
//Number of zeros @zeros@

#ifndef @NAME@_H_
#define @NAME@_H_

namespace @top@ {

// Compilers take long over arrays of ap_fixed; so numbers are converted when the program starts.
#ifndef __SYNTHESIS__
@type@ @name@[@size@];
static const double @name@_values[@size@] =
#else
@type@ @name@[@size@] =
#endif
    {@values@};
#ifndef __SYNTHESIS__
static const bool @name@_filled = l1chain::fill(@name@, @name@_values);
#endif

}

#endif
