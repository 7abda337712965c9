/* input_facts.c - see input_facts.h. */
#include "robots/teleop/input_facts.h"

const char *input_facts_kind(const struct input_facts *f)
{
	bool stick = f->has_axis[ABS_X] && f->has_axis[ABS_Y];

	if (stick && f->has_key[BTN_SOUTH])
		return "a gamepad";
	if (stick && f->has_key[BTN_TRIGGER])
		return "a joystick";
	if (stick && f->has_key[BTN_TOUCH])
		return "a touch screen, touch pad or tablet";
	if (f->has_motion[REL_X] && f->has_key[BTN_LEFT])
		return "a mouse";
	if (f->has_key[KEY_A] && f->has_key[KEY_Z] && f->has_key[KEY_SPACE])
		return "a keyboard";
	if (stick)
		return "a device with axes and no buttons of a gamepad (its motion sensor, perhaps)";
	return "a device with some keys or switches (a power button, a headset, ...)";
}
