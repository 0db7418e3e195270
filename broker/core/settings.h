/* The settings of the broker with their defaults. */
#pragma once

#include "broker/core/broker.h"

struct broker_settings settings_complete(const struct broker_settings *settings);
