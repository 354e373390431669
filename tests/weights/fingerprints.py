"""Fingerprints of the released weights, v1 and v2, for each tensor (docs/paper-and-release.md, appendix A)."""

from __future__ import annotations

_ROWS = """
conv_s1_first.0.weight -217.06516 -101.71034 0.06196 0.05331
conv_s1_first.0.bias -3.30088 -1.65959 0.08735 0.09537
conv_s2_first.0.weight -48.93672 -17.62510 0.03936 0.03933
conv_s2_first.0.bias -1.54690 -1.18930 0.10808 0.06529
conv_s4_first.0.weight -150.71109 -194.90808 0.06449 0.05096
conv_s4_first.0.bias -1.66759 -0.49026 0.04886 0.02189
body_s1_first.0.conv1.weight -44.60640 -20.64890 0.06342 0.05589
body_s1_first.0.conv1.bias -1.17127 -2.57818 0.07199 0.06903
body_s1_first.0.conv2.weight -35.00586 -33.78569 0.05696 0.04930
body_s1_first.0.conv2.bias 1.09682 0.73677 0.07714 0.06892
body_s1_first.1.conv1.weight -29.24047 -1.94219 0.06276 0.05286
body_s1_first.1.conv1.bias -4.11024 -3.07604 0.08025 0.08349
body_s1_first.1.conv2.weight -0.93425 2.61229 0.05582 0.04725
body_s1_first.1.conv2.bias 0.25985 0.23287 0.02870 0.04254
body_s1_first.2.conv1.weight -28.21735 0.52455 0.06512 0.05218
body_s1_first.2.conv1.bias -4.97989 -3.30305 0.10263 0.06311
body_s1_first.2.conv2.weight -24.49405 -12.94408 0.05368 0.04625
body_s1_first.2.conv2.bias 0.68864 0.08024 0.03477 0.01623
body_s1_first.3.conv1.weight -29.55349 20.82404 0.06416 0.05227
body_s1_first.3.conv1.bias -4.57345 -2.61873 0.09096 0.05626
body_s1_first.3.conv2.weight -9.82595 -32.48560 0.05295 0.04675
body_s1_first.3.conv2.bias -0.21035 0.18621 0.02557 0.02319
body_s1_first.4.conv1.weight 12.44989 32.69836 0.05740 0.05118
body_s1_first.4.conv1.bias -4.65297 -2.51057 0.05994 0.05075
body_s1_first.4.conv2.weight 9.26786 -9.30156 0.05453 0.04724
body_s1_first.4.conv2.bias 0.08983 0.23835 0.02697 0.02869
body_s2_first.0.conv1.weight -142.23186 -181.30052 0.06322 0.05308
body_s2_first.0.conv1.bias -2.29550 -1.09258 0.05855 0.03597
body_s2_first.0.conv2.weight -15.94876 2.69239 0.05617 0.05100
body_s2_first.0.conv2.bias 0.35204 0.03040 0.01573 0.01279
body_s2_first.1.conv1.weight -71.82360 -106.66618 0.07210 0.05772
body_s2_first.1.conv1.bias -2.11707 -1.25671 0.04840 0.03161
body_s2_first.1.conv2.weight 5.06873 18.70275 0.06015 0.05252
body_s2_first.1.conv2.bias -0.22681 -0.09157 0.01193 0.01007
body_s2_first.2.conv1.weight -30.10692 -118.70957 0.06995 0.05916
body_s2_first.2.conv1.bias -1.95296 -0.55294 0.03279 0.04025
body_s2_first.2.conv2.weight 2.19014 -10.00511 0.05659 0.05366
body_s2_first.2.conv2.bias -0.08668 -0.20914 0.01122 0.01656
body_s4_first.0.conv1.weight -73.49191 -215.54106 0.07041 0.06880
body_s4_first.0.conv1.bias -0.26115 -0.46602 0.02789 0.01784
body_s4_first.0.conv2.weight 69.90503 4.72650 0.05915 0.05558
body_s4_first.0.conv2.bias 0.36139 0.13985 0.01414 0.00604
body_s4_first.1.conv1.weight -106.87918 -105.73446 0.08547 0.06085
body_s4_first.1.conv1.bias -0.15243 -0.30171 0.04345 0.02494
body_s4_first.1.conv2.weight -47.88792 -2.81771 0.06762 0.04842
body_s4_first.1.conv2.bias -0.10760 -0.11588 0.01407 0.00795
fusion.0.weight -19.35471 -69.66203 0.04194 0.03258
fusion.0.bias -9.46792 -2.76254 0.01841 0.02156
fusion.2.weight -188.62162 -287.83907 0.05005 0.04485
fusion.2.bias -3.31859 -2.21182 0.07038 0.07419
"""

_TABLE = {
    f"recurrent_cell.{key}": tuple(map(float, numbers)) for key, *numbers in map(str.split, _ROWS.split("\n")[1:-1])
}

SUMS = {key: numbers[:2] for key, numbers in _TABLE.items()}
"""Sum of the values in float64."""
DEVIATIONS = {key: numbers[2:] for key, numbers in _TABLE.items()}
"""Standard deviation of the values."""
TOTALS = (-1259.40729, -1465.68833)
"""Sum of all values."""
LARGEST = (2.37376, 2.00994)
"""Largest magnitude of all values."""
