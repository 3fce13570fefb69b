"""What a cocotb testbench of streams is made of; :mod:`consilico.testing` is its public name.

Our own testbench (:mod:`consilico.sim.rtlsim.cocotb_testbench`) is made of the same parts.
"""
