# SPDX-License-Identifier: MIT
# CMake ports: USER_C_MODULES=<path of this file>
add_library(usermod_lwipstat INTERFACE)
target_sources(usermod_lwipstat INTERFACE
    ${CMAKE_CURRENT_LIST_DIR}/modlwipstat.c
    ${CMAKE_CURRENT_LIST_DIR}/sockets.c
    ${CMAKE_CURRENT_LIST_DIR}/traffic.c
)
target_include_directories(usermod_lwipstat INTERFACE ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(usermod INTERFACE usermod_lwipstat)
