
def test_x(world):
    world.record("hours.recorded/1")
    assert world.size == 10
