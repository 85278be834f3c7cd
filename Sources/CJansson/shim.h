// jansson: reads and writes JSON documents (configuration, proto files, command-line output).
#pragma once

#include <jansson.h>
