from streams.fhe.radix.forms import Cost, Form, choose

COSTS = {Form.THROUGHPUT: Cost(32, 32), Form.LATENCY: Cost(85, 5)}


def test_one_operation_on_a_wide_device_takes_the_shallow_form() -> None:
    assert choose(COSTS, ready=1, batch_size=128) is Form.LATENCY


def test_many_operations_take_the_form_with_fewer_look_ups() -> None:
    assert choose(COSTS, ready=128, batch_size=128) is Form.THROUGHPUT


def test_a_device_of_one_look_up_takes_the_form_with_fewer() -> None:
    assert choose(COSTS, ready=1, batch_size=1) is Form.THROUGHPUT


def test_a_tie_leaves_more_of_the_device_to_others() -> None:
    costs = {Form.LATENCY: Cost(40, 4), Form.THROUGHPUT: Cost(20, 4)}
    assert choose(costs, ready=1, batch_size=64) is Form.THROUGHPUT
